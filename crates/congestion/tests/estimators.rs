//! What the estimators make of a server: pure event loops, each told its instants.
#![expect(
    clippy::disallowed_methods,
    reason = "time has to begin somewhere; nothing here waits for it"
)]

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use tower_throttle_congestion::{
    Bounds, Congestion, CongestionPermit, Estimator, Gradient, LittlesLaw, Sample,
};
use tower_throttle_core::{Limiter, Outcome, Wait};

/// One client that always has something to send, and a server that answers after a time that depends
/// on how many are in flight.
struct Loop<E> {
    limiter: Congestion<E>,
    now: Instant,
    /// By when they are over.
    calls: VecDeque<(Instant, CongestionPermit)>,
    answered: u32,
}

const SECOND: Duration = Duration::from_secs(1);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl<E: Estimator> Loop<E> {
    fn new(limiter: Congestion<E>) -> Self {
        Self {
            limiter: limiter.seed(1),
            now: Instant::now(),
            calls: VecDeque::new(),
            answered: 0,
        }
    }

    /// Sends whatever may be sent for so long; each answer is what `answer` says of as many in flight.
    fn run(&mut self, time: Duration, answer: impl Fn(usize) -> (Duration, Outcome)) -> u32 {
        let end = self.now + time;
        let before = self.answered;
        while self.now < end {
            match self.limiter.check(&(), self.now) {
                Wait::Now => self.send(&answer),
                Wait::Until(at) if self.calls.is_empty() => self.now = at,
                _ => self.finish(&answer),
            }
        }
        self.answered - before
    }

    fn send(&mut self, answer: &impl Fn(usize) -> (Duration, Outcome)) {
        let permit = self.limiter.take((), self.now);
        let (latency, _) = answer(self.calls.len() + 1);
        let over = self.now + latency;
        let place = self.calls.partition_point(|(at, _)| *at <= over);
        self.calls.insert(place, (over, permit));
    }

    fn finish(&mut self, answer: &impl Fn(usize) -> (Duration, Outcome)) {
        let (_, outcome) = answer(self.calls.len());
        let (at, permit) = self.calls.pop_front().unwrap();
        self.now = self.now.max(at);
        self.answered += u32::from(outcome == Outcome::Succeeded);
        self.limiter.complete(permit, Some(outcome), self.now);
    }
}

/// `slots` requests at once take 200 ms each; more wait.
fn queue(slots: usize) -> impl Fn(usize) -> (Duration, Outcome) {
    move |in_flight| {
        let load = in_flight.max(slots);
        let micros = u64::try_from(200_000 * load / slots).unwrap();
        (Duration::from_micros(micros), Outcome::Succeeded)
    }
}

/// Slows down from the first request on, and has the most throughput with half of `slots`.
fn slots(slots: u32) -> impl Fn(usize) -> (Duration, Outcome) {
    move |in_flight| {
        let load = f64::from(u32::try_from(in_flight).unwrap()) / f64::from(slots);
        let latency = ms(200).div_f64(1.0 - load.min(0.95));
        (latency, Outcome::Succeeded)
    }
}

fn always(latency: Duration, outcome: Outcome) -> impl Fn(usize) -> (Duration, Outcome) {
    move |_| (latency, outcome)
}

#[test]
fn a_queue_is_kept_full_and_short() {
    let mut world = Loop::new(Congestion::new());
    world.run(30 * SECOND, queue(20));

    let answered = world.run(30 * SECOND, queue(20));

    assert!(answered >= 95 * 30, "of 100 per second: {answered}");
    assert!(world.limiter.limit() <= 33, "{}", world.limiter.limit());
}

#[test]
fn a_server_that_slows_down_is_kept_near_its_best() {
    let mut world = Loop::new(Congestion::new());
    world.run(30 * SECOND, slots(20));

    // Two times from probe to probe.
    let answered = world.run(80 * SECOND, slots(20));

    assert!(
        answered * 100 >= 93 * 25 * 80,
        "of 25 per second: {answered}"
    );
}

#[test]
fn a_server_that_becomes_slower_for_good_is_used_again() {
    let mut world = Loop::new(Congestion::new());
    world.run(60 * SECOND, queue(20));
    let slower = |in_flight| {
        let (latency, outcome) = queue(20)(in_flight);
        (3 * latency, outcome)
    };
    world.run(30 * SECOND, slower);

    let answered = world.run(30 * SECOND, slower);

    assert!(answered >= 31 * 30, "of 33 per second: {answered}");
}

fn pure_drops_reach_the_floor_and_fast_answers_recover<E: Estimator>(estimator: E) {
    let mut world = Loop::new(Congestion::with(estimator).start(100));
    world.run(60 * SECOND, always(ms(50), Outcome::Throttled));
    assert_eq!(world.limiter.limit(), 1);

    world.run(60 * SECOND, always(ms(50), Outcome::Succeeded));
    assert!(world.limiter.limit() >= 20, "{}", world.limiter.limit());
}

#[test]
fn the_gradient_reaches_the_floor_by_drops_and_recovers() {
    pure_drops_reach_the_floor_and_fast_answers_recover(Gradient::new());
}

#[test]
fn littles_law_reaches_the_floor_by_drops_and_recovers() {
    pure_drops_reach_the_floor_and_fast_answers_recover(LittlesLaw::new());
}

/// The original can't shrink while every place is taken, which is when it should.
#[test]
fn littles_law_shrinks_while_it_is_saturated() {
    let mut world = Loop::new(Congestion::with(LittlesLaw::new()).start(60));

    world.run(60 * SECOND, queue(10));

    assert!(world.limiter.limit() <= 25, "{}", world.limiter.limit());
    assert_eq!(world.limiter.baseline(), Some(ms(200)));
}

/// The pressure of the original is how many of its own requests are in flight, so it keeps two in
/// flight whatever the server does.
#[test]
fn littles_law_as_published_counts_its_own_requests() {
    let law = LittlesLaw::as_published();
    let mut world = Loop::new(Congestion::with(law).start(8).max_limit(8));
    world.run(60 * SECOND, always(ms(200), Outcome::Succeeded));
    assert!(world.limiter.limit() <= 4, "{}", world.limiter.limit());

    let mut world = Loop::new(Congestion::with(LittlesLaw::new()).start(8).max_limit(8));
    world.run(60 * SECOND, always(ms(200), Outcome::Succeeded));
    assert_eq!(world.limiter.limit(), 8);
}

fn burst_of_errors<E: Estimator>(estimator: E) -> u32 {
    let now = Instant::now();
    let mut limiter = Congestion::with(estimator).start(100);
    let permits: Vec<_> = (0..20).map(|_| limiter.take((), now)).collect();
    for (permit, millis) in permits.into_iter().zip(400..) {
        limiter.complete(permit, Some(Outcome::Failed), now + ms(millis));
    }
    limiter.limit()
}

/// tower-resilience halves for each: 100, 50, 25, … 1.
#[test]
fn twenty_errors_of_one_burst_are_one_event() {
    assert_eq!(burst_of_errors(LittlesLaw::new()), 99);
    assert_eq!(burst_of_errors(Gradient::new()), 50);
}

fn call_one_after_another<E: Estimator>(estimator: E) -> u32 {
    let mut now = Instant::now();
    let mut limiter = Congestion::with(estimator).start(10);
    let mut highest = 0;
    for _ in 0..500 {
        let permit = limiter.take((), now);
        now += ms(10);
        limiter.complete(permit, Some(Outcome::Succeeded), now);
        highest = highest.max(limiter.limit());
    }
    highest
}

/// tower-resilience counts them as proof of room: from 10 to 510.
#[test]
fn five_hundred_calls_one_after_another_do_not_raise_the_limit() {
    assert_eq!(call_one_after_another(Gradient::new()), 10);
    assert_eq!(call_one_after_another(LittlesLaw::new()), 10);
}

#[test]
fn the_limit_does_not_drift_while_nobody_uses_it() {
    let mut now = Instant::now();
    let mut limiter = Congestion::new().seed(1);
    for _ in 0..600 {
        let permit = limiter.take((), now);
        limiter.complete(permit, Some(Outcome::Succeeded), now + ms(200));
        now += SECOND;
    }
    assert!((2..=20).contains(&limiter.limit()), "{}", limiter.limit());
    assert_eq!(
        limiter.baseline().map(|baseline| baseline.as_millis()),
        Some(200)
    );
}

/// An unsigned difference of latencies overflows in some.
#[test]
fn falling_latency_does_not_panic() {
    for latency in [10_000, 1_000, 100, 10, 1, 0] {
        let mut world = Loop::new(Congestion::new());
        world.run(20 * SECOND, always(ms(5_000), Outcome::Succeeded));
        world.run(
            5 * SECOND,
            always(
                ms(latency) + Duration::from_nanos(1_000_000),
                Outcome::Succeeded,
            ),
        );
        assert!(world.limiter.limit() >= 1);
    }
}

/// The dates of both count from the same instant, whenever they begin.
#[test]
fn clients_with_the_same_meeting_probe_at_the_same_time() {
    let meeting = Instant::now();
    let probes = |late: u64| {
        let mut world = Loop::new(Congestion::with(Gradient::new().meeting(meeting)));
        world.now = meeting + ms(1000 * late);
        let mut probes = Vec::new();
        while world.now < meeting + 330 * SECOND {
            world.run(ms(500), queue(20));
            let at = (world.now - meeting).as_secs();
            if world.limiter.estimator().probe().is_some() && at > 100 {
                probes.push(at / 5 * 5);
            }
        }
        probes.dedup();
        probes
    };

    assert_eq!(probes(3), [160, 240, 320]);
    assert_eq!(probes(41), [160, 240, 320]);
}

/// A probe would otherwise hold everybody back for ever.
#[test]
fn calls_that_say_nothing_do_not_hold_up_a_probe() {
    let mut world = Loop::new(Congestion::new());
    while world.limiter.estimator().probe().is_none() {
        world.run(ms(1), always(ms(100), Outcome::Succeeded));
    }

    world.run(5 * SECOND, always(ms(100), Outcome::Ignored));

    assert_eq!(world.limiter.estimator().probe(), None);
}

fn sample() -> impl Strategy<Value = (u64, u64, u32, Outcome)> {
    let time = || prop_oneof![0..5_000_000_000_u64, Just(0), 0..u64::MAX];
    let outcome = prop_oneof![
        3 => Just(Outcome::Succeeded),
        1 => Just(Outcome::Throttled),
        1 => Just(Outcome::Failed)
    ];
    (time(), time(), any::<u32>(), outcome)
}

fn stays_a_number<E: Estimator>(mut estimator: E, samples: &[(u64, u64, u32, Outcome)]) {
    let zero = Instant::now();
    let bounds = Bounds::new(1, 200);
    let after = |nanos| {
        zero.checked_add(Duration::from_nanos(nanos))
            .unwrap_or(zero)
    };
    let mut limit = 20.0;
    for &(started, finished, in_flight, outcome) in samples {
        let sample = Sample::new(after(started), after(finished), in_flight, outcome);
        if let Some(change) = estimator.learn(&sample, limit, bounds) {
            assert!(change.limit.is_finite(), "{change:?}");
            limit = bounds.clamp(change.limit);
        }
        assert!(
            estimator
                .baseline()
                .is_none_or(|baseline| baseline < Duration::MAX)
        );
    }
}

proptest! {
    /// Zero and huge latencies, time that goes backwards, calls that were never sent.
    #[test]
    fn any_stream_of_samples_leaves_a_limit(samples in prop::collection::vec(sample(), 0..300)) {
        stays_a_number(Gradient::new(), &samples);
        stays_a_number(LittlesLaw::new(), &samples);
        stays_a_number(LittlesLaw::as_published(), &samples);
    }
}
