//! What the limiter promises, whatever the estimator says.
#![expect(
    clippy::disallowed_methods,
    reason = "time has to begin somewhere; nothing here waits for it"
)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tower_throttle_congestion::{
    Bounds, Cause, Change, Congestion, CongestionPermit, Estimator, Gradient, LittlesLaw, Probe,
    Sample,
};
use tower_throttle_core::{Limiter, Outcome, Room, Wait};

mod support;

use support::{
    ms,
    pure::{Says, fill, passes},
};

/// Lets a request pass as an adapter does that knows of the room and doesn't ask.
fn pass_unasked<E: Estimator>(
    limiter: &mut Congestion<E>,
    now: Instant,
) -> Option<CongestionPermit> {
    let room = limiter.room()?;
    let free = room.free.checked_sub(1)?;
    assert!(passes(limiter, now), "it would have been told to wait");
    limiter.entered(1, room.era);
    let in_flight = limiter.in_flight();
    Congestion::<E>::enter(
        Room {
            free,
            in_flight,
            ..room
        },
        now,
    )
}

#[test]
fn as_many_pass_as_the_limit_says() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says::default()).start(3);

    assert_eq!(fill(&mut limiter, now).len(), 3);
    assert_eq!(limiter.check(&(), now), Wait::Changed);
}

/// Probes from its first sample on: nobody for a second, then so many at a time for another. One of them tells
/// enough.
#[derive(Debug, Clone)]
struct Probes {
    at_most: u32,
    probe: Option<Probe>,
}

impl Probes {
    fn at_most(at_most: u32) -> Self {
        let probe = None;
        Self { at_most, probe }
    }
}

impl Estimator for Probes {
    fn learn(&mut self, sample: &Sample, _limit: f64, _bounds: Bounds) -> Option<Change> {
        let (resume_at, ends_at) = (sample.finished + ms(1000), sample.finished + ms(2000));
        let begun = Probe::new(resume_at, ends_at).at_most(self.at_most);
        self.probe = match self.probe {
            Some(probe) => Some(probe.at_most(0)),
            None => Some(begun),
        };
        None
    }

    fn probe(&self) -> Option<Probe> {
        self.probe
    }

    fn end_probe(&mut self, _now: Instant) {
        self.probe = None;
    }
}

/// Three of five are never over: they don't stop the probe, and the probe doesn't stop the others for longer.
#[test]
fn a_probe_lets_one_at_a_time_pass_and_then_the_limit_counts() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Probes::at_most(1)).start(5);
    let mut permits = fill(&mut limiter, now);
    limiter.complete(permits.pop().unwrap(), Some(Outcome::Succeeded), now);
    limiter.complete(permits.pop().unwrap(), Some(Outcome::Succeeded), now);
    let after = |millis| now + ms(millis);

    assert_eq!(limiter.check(&(), now), Wait::Until(after(1000)));
    assert_eq!(limiter.room().map(|room| room.free), None);
    assert_eq!(fill(&mut limiter, after(1000)).len(), 1);
    assert_eq!(limiter.check(&(), after(1500)), Wait::Until(after(2000)));
    assert_eq!(fill(&mut limiter, after(2000)).len(), 1);
    assert_eq!(limiter.check(&(), after(2000)), Wait::Changed);
    assert_eq!(limiter.estimator().probe(), None);
}

#[test]
fn who_may_not_wait_is_told_when_a_probe_goes_on() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Probes::at_most(1)).start(5);
    assert_eq!(limiter.predict((), &(), now), Wait::Changed);
    let last = limiter.take((), now);
    limiter.complete(last, Some(Outcome::Succeeded), now);
    assert_eq!(limiter.predict((), &(), now), Wait::Until(now + ms(1000)));

    // When its call is over, nobody knows: who would wait for the end of the probe isn't refused before.
    let _call = limiter.take((), now + ms(1000));
    assert_eq!(limiter.predict((), &(), now + ms(1500)), Wait::Changed);
}

#[test]
fn a_probe_lets_as_many_pass_at_a_time_as_it_says() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Probes::at_most(2)).start(5);
    let last = limiter.take((), now);
    limiter.complete(last, Some(Outcome::Succeeded), now);

    let mut permits = fill(&mut limiter, now + ms(1000));
    assert_eq!(permits.len(), 2);
    let now = now + ms(1500);
    limiter.complete(permits.pop().unwrap(), None, now);
    assert_eq!(fill(&mut limiter, now).len(), 1);
}

#[test]
fn a_probe_that_needs_no_more_calls_is_over_with_its_last_one() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Probes::at_most(3)).start(5);
    let last = limiter.take((), now);
    limiter.complete(last, Some(Outcome::Succeeded), now);
    let after = |millis| now + ms(millis);

    let mut permits = fill(&mut limiter, after(1000));
    limiter.complete(
        permits.pop().unwrap(),
        Some(Outcome::Succeeded),
        after(1100),
    );
    assert_eq!(limiter.check(&(), after(1100)), Wait::Until(after(2000)));
    limiter.cancel(permits.pop().unwrap(), after(1200));
    assert_eq!(limiter.check(&(), after(1200)), Wait::Until(after(2000)));
    limiter.complete(permits.pop().unwrap(), None, after(1300));
    assert_eq!(limiter.estimator().probe(), None);
    assert_eq!(fill(&mut limiter, after(1300)).len(), 5);
}

/// Whoever waits to be called, and never is, holds up nobody else.
#[test]
fn a_probe_ends_when_it_said_though_its_call_is_never_over() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Probes::at_most(1)).start(2);
    let call = limiter.take((), now);
    limiter.complete(call, Some(Outcome::Succeeded), now);
    let _never_over = limiter.take((), now + ms(1000));

    assert!(!passes(&limiter, now + ms(1999)));
    assert!(passes(&limiter, now + ms(2000)));
}

/// A rate beside it deals with these.
#[test]
fn beside_a_rate_throttled_calls_say_nothing() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says(Some(1.0))).beside_rate();
    let [one, other] = [(); 2].map(|()| limiter.take((), now));

    limiter.complete(one, Some(Outcome::Throttled), now);
    assert_eq!(limiter.limit(), 20);
    limiter.complete(other, Some(Outcome::Failed), now);
    assert_eq!(limiter.limit(), 1);
}

#[test]
fn a_limit_below_what_is_in_flight_is_owed_and_recovers_exactly() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says::default()).start(5);
    let mut permits = fill(&mut limiter, now);

    limiter.set_limit(2);
    for in_flight in [4, 3, 2] {
        limiter.complete(permits.pop().unwrap(), None, now);
        assert_eq!(limiter.in_flight(), in_flight);
        assert!(!passes(&limiter, now));
    }
    limiter.complete(permits.pop().unwrap(), None, now);
    assert_eq!(fill(&mut limiter, now).len(), 1);
}

#[test]
fn a_cancelled_call_gives_its_place_back_and_says_nothing() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says(Some(1.0))).start(2);
    let mut permits = fill(&mut limiter, now);

    limiter.complete(permits.pop().unwrap(), None, now + ms(5));
    limiter.cancel(permits.pop().unwrap(), now + ms(5));

    assert_eq!((limiter.in_flight(), limiter.limit()), (0, 2));
    assert_eq!(limiter.last_cause(), None);
}

#[test]
fn a_call_that_says_nothing_about_load_is_no_sample() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says(Some(1.0))).start(2);
    let permit = limiter.take((), now);

    limiter.complete(permit, Some(Outcome::Ignored), now + ms(5));

    assert_eq!((limiter.in_flight(), limiter.limit()), (0, 2));
}

/// The original's growth probability of 0.0 was taken for the default, 0.3.
#[test]
fn a_growth_probability_of_zero_is_zero() {
    let law = LittlesLaw::new().growth_probability(0.0);

    assert_eq!(law.step(0.5, 4, Bounds::new(1, 8), 0.0), 4);
}

#[test]
fn a_fraction_is_the_share_of_calls_that_leave_room_for_one_more() {
    let mut now = Instant::now();
    let mut limiter = Congestion::with(Says(Some(2.25))).start(2);
    let mut permits = fill(&mut limiter, now);
    let mut thirds = 0;
    for _ in 0..400 {
        now += ms(10);
        limiter.complete(permits.remove(0), Some(Outcome::Succeeded), now);
        thirds += u32::from(limiter.limit() == 3);
        permits.extend(fill(&mut limiter, now));
        assert!(limiter.in_flight() <= 3);
    }
    assert_eq!(thirds, 100);
}

#[test]
fn latency_counts_from_when_there_was_room() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says::default()).start(1);
    let first = limiter.take((), now);
    limiter.complete(first, Some(Outcome::Succeeded), now + ms(50));
    limiter.set_limit(1);

    // The adapter may date a grant back by 10 ms.
    let second = limiter.take((), now + ms(40));
    limiter.complete(second, Some(Outcome::Succeeded), now + ms(53));

    assert_eq!(limiter.limit(), 3, "3 ms");
}

#[test]
fn there_is_as_much_room_as_calls_that_pass_when_they_ask() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says::default()).start(3);
    let first = limiter.take((), now);
    let second = pass_unasked(&mut limiter, now).unwrap();
    assert_eq!(limiter.room().map(|room| room.free), Some(1));
    limiter.set_limit(1);
    assert_eq!(limiter.room().map(|room| room.free), Some(0));
    assert!(pass_unasked(&mut limiter, now).is_none());
    limiter.cancel(first, now);
    limiter.cancel(second, now);
    assert_eq!(limiter.room().map(|room| room.free), Some(1));
}

#[test]
fn one_that_passed_unasked_before_the_limit_was_set_says_nothing_about_it() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says::default()).start(5);
    let before = limiter.room().unwrap();
    limiter.set_limit(5);
    limiter.entered(1, before.era);
    let permit = Congestion::<Says>::enter(before, now).unwrap();
    limiter.complete(permit, Some(Outcome::Succeeded), now + ms(3));
    assert_eq!((limiter.limit(), limiter.in_flight()), (5, 0));
}

/// Whatever is learnt, and however small a limit is set.
#[test]
fn a_floor_is_a_floor() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says(Some(2.0))).min_limit(5).start(7);
    let permit = limiter.take((), now);
    limiter.complete(permit, Some(Outcome::Succeeded), now);
    assert_eq!(limiter.limit(), 5);

    limiter.set_limit(3);
    assert_eq!(limiter.limit(), 5);
}

/// A floor above it would let more in than the highest limit says that is said last.
#[test]
fn of_bounds_that_cross_the_last_counts() {
    let floor = Congestion::new().max_limit(10).min_limit(50);
    let top = Congestion::new().min_limit(50).max_limit(10);

    assert_eq!((floor.limit(), top.limit()), (50, 10));
}

/// As many as were in flight when the call was sent.
#[derive(Debug)]
struct InFlight;

impl Estimator for InFlight {
    fn learn(&mut self, sample: &Sample, _limit: f64, _bounds: Bounds) -> Option<Change> {
        Some(Change::new(f64::from(sample.in_flight), Cause::Set))
    }
}

/// What is in flight at its end tells nothing of why a call took so long.
#[test]
fn a_call_counts_those_that_were_in_flight_at_its_start() {
    let now = Instant::now();
    let mut limiter = Congestion::with(InFlight).start(5);
    let mut permits = fill(&mut limiter, now);
    let last = permits.pop().unwrap();
    for permit in permits {
        limiter.complete(permit, None, now);
    }

    limiter.complete(last, Some(Outcome::Succeeded), now);

    assert_eq!(limiter.limit(), 5);
}

/// tower-resilience accepts a minimum of 0, and never lets anybody through again.
#[test]
fn a_minimum_of_zero_does_not_wedge() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says(Some(0.0))).min_limit(0);
    let permit = limiter.take((), now);

    limiter.complete(permit, Some(Outcome::Throttled), now);

    assert_eq!(limiter.limit(), 1);
    assert!(passes(&limiter, now));
}

#[test]
fn a_limit_that_is_no_number_changes_nothing() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says(Some(f64::NAN))).start(7);
    let permit = limiter.take((), now);

    limiter.complete(permit, Some(Outcome::Succeeded), now);

    assert_eq!(limiter.limit(), 7);
}

#[derive(Debug, Clone)]
enum Op {
    Take,
    Pass,
    Complete(usize, Outcome),
    GiveUp(usize),
    Cancel(usize),
    Set(u32),
    Ceiling(Option<u32>),
    Forward(u64),
    Back(u64),
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Succeeded),
        Just(Outcome::Throttled),
        Just(Outcome::Failed),
        Just(Outcome::Ignored)
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Take),
        2 => Just(Op::Pass),
        6 => (any::<usize>(), outcome()).prop_map(|(which, outcome)| Op::Complete(which, outcome)),
        1 => any::<usize>().prop_map(Op::GiveUp),
        1 => any::<usize>().prop_map(Op::Cancel),
        1 => prop_oneof![0..300_u32, any::<u32>()].prop_map(Op::Set),
        1 => prop::option::of(0..300_u32).prop_map(Op::Ceiling),
        4 => prop_oneof![0..3_000_000_000_u64, 0..u64::MAX].prop_map(Op::Forward),
        1 => (0..3_000_000_000_u64).prop_map(Op::Back),
    ]
}

/// In flight is at most the limit when somebody is let in; permits don't get lost; the limit stays
/// within its bounds, of which a declared ceiling wins; nothing panics.
fn holds<E: Estimator>(mut limiter: Congestion<E>, bounds: Bounds, ops: Vec<Op>) {
    let mut now = Instant::now() + Duration::from_secs(1000);
    let (mut permits, mut ceiling) = (Vec::new(), None);
    for op in ops {
        match op {
            Op::Take if passes(&limiter, now) => {
                permits.push(limiter.take((), now));
                assert!(limiter.in_flight() <= limiter.limit());
            }
            Op::Pass => {
                permits.extend(pass_unasked(&mut limiter, now));
            }
            Op::Complete(which, outcome) if !permits.is_empty() => {
                let permit = permits.swap_remove(which % permits.len());
                limiter.complete(permit, Some(outcome), now);
            }
            Op::GiveUp(which) if !permits.is_empty() => {
                limiter.complete(permits.swap_remove(which % permits.len()), None, now);
            }
            Op::Cancel(which) if !permits.is_empty() => {
                limiter.cancel(permits.swap_remove(which % permits.len()), now);
            }
            Op::Set(limit) => limiter.set_limit(limit),
            Op::Ceiling(declared) => {
                ceiling = declared;
                limiter.set_ceiling(ceiling);
            }
            Op::Forward(nanos) => {
                now = now.checked_add(Duration::from_nanos(nanos)).unwrap_or(now);
            }
            Op::Back(nanos) => {
                now = now.checked_sub(Duration::from_nanos(nanos)).unwrap_or(now);
            }
            _ => {}
        }
        assert_eq!(limiter.in_flight() as usize, permits.len());
        let highest = ceiling.map_or(bounds.max, |ceiling| ceiling.clamp(1, bounds.max));
        let lowest = bounds.min.min(highest);
        assert!((lowest..=highest).contains(&limiter.limit()));
    }
}

proptest! {
    #[test]
    fn the_books_balance_for_any_stream_of_samples(
        ops in prop::collection::vec(op(), 0..400),
        min in 0..30_u32,
        max in 1..300_u32,
    ) {
        let bounds = Bounds::new(min.min(max), max);
        let gradient = Congestion::new().seed(1).min_limit(bounds.min).max_limit(max);
        holds(gradient, bounds, ops.clone());
        let law = Congestion::with(LittlesLaw::new()).seed(1).min_limit(bounds.min).max_limit(max);
        holds(law, bounds, ops.clone());
        let published = Congestion::with(LittlesLaw::as_published()).seed(1);
        holds(published, Bounds::new(1, 200), ops);
    }

    /// What passes at an instant passes later, if nothing happens in between.
    #[test]
    fn who_may_pass_may_pass_later(
        ops in prop::collection::vec((any::<bool>(), outcome(), 0..2_000_u64), 0..200),
        later in 0..100_000_u64,
    ) {
        let mut now = Instant::now();
        let mut limiter = Congestion::new().seed(1);
        let mut permits = Vec::new();
        for (take, outcome, millis) in ops {
            now += ms(millis);
            if take && passes(&limiter, now) {
                permits.push(limiter.take((), now));
            } else if let Some(permit) = permits.pop() {
                limiter.complete(permit, Some(outcome), now);
            }
            match limiter.check(&(), now) {
                Wait::Now => prop_assert!(passes(&limiter, now + ms(later))),
                Wait::Until(at) => prop_assert!(passes(&limiter, at + ms(later))),
                _ => prop_assert!(limiter.in_flight() >= limiter.limit()),
            }
        }
    }
}

#[test]
fn the_default_starts_at_twenty_within_one_and_two_hundred() {
    let mut limiter = Congestion::new();
    assert_eq!(limiter.limit(), 20);
    limiter.set_limit(u32::MAX);
    assert_eq!(limiter.limit(), 200);
    limiter.set_limit(0);
    assert_eq!(limiter.limit(), 1);
    assert_eq!(Congestion::with(Gradient::new()).start(500).limit(), 200);
}
