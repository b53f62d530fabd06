//! What the estimators make of a server: pure event loops, each told its instants.
#![expect(
    clippy::disallowed_methods,
    reason = "time has to begin somewhere; nothing here waits for it"
)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tower_throttle_congestion::{Bounds, Congestion, Estimator, Gradient, LittlesLaw, Sample};
use tower_throttle_core::{Limiter, Outcome};

mod support;

use support::{
    ms,
    pure::{at_once, fill},
    world::{Loop, SECOND, always, queue, slots},
};

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

fn burst_of_errors<E: Estimator>(estimator: E) -> u32 {
    let now = Instant::now();
    let mut limiter = Congestion::with(estimator).start(100).seed(1);
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

/// Ten of twenty fail, and the limit is halved for them; that the others fail too, later, is not the fault of the
/// half.
#[test]
fn calls_sent_before_a_window_closed_say_nothing_about_the_limit_since_then() {
    let now = Instant::now();
    let mut limiter = Congestion::new().seed(1);
    let mut permits = fill(&mut limiter, now);
    let late = permits.split_off(10);
    for (permits, millis) in [(permits, 400), (late, 1000)] {
        for permit in permits {
            limiter.complete(permit, Some(Outcome::Failed), now + ms(millis));
        }
        assert_eq!(limiter.limit(), 10, "after {millis} ms");
    }
}

/// The server is as fast as with little to do, as it has little to do.
#[test]
fn a_limit_of_which_less_than_four_fifths_is_used_does_not_rise() {
    for (calls, rises) in [(3, false), (7, false), (8, true)] {
        let mut limiter = Congestion::new().start(10).seed(1);
        at_once(&mut limiter, calls);
        let limit = limiter.limit();
        assert_eq!(limit > 10, rises, "{limit} with {calls} in flight");
    }
}

/// The limit after windows of ten calls, with so many in flight in each.
fn after_windows(in_flight: &[u32]) -> f64 {
    let (start, bounds) = (Instant::now(), Bounds::new(1, 200));
    let mut gradient = Gradient::new();
    gradient.seed(1);
    let mut limit = 100.0;
    for (&in_flight, second) in in_flight.iter().zip(0..) {
        for call in 0..10 {
            let sent = start + second * SECOND + call * ms(50);
            let sample = Sample::new(sent, sent + ms(20), in_flight, Outcome::Succeeded);
            if let Some(change) = gradient.learn(&sample, limit, bounds) {
                limit = change.limit;
            }
        }
    }
    limit
}

/// The first calls of a burst that are answered don't tell how many there are, and the limit fell with each burst.
#[test]
fn what_was_in_flight_in_the_window_before_is_used_too() {
    assert!(after_windows(&[100, 10]) >= 100.0);
    assert!(after_windows(&[100, 10, 10]) <= 50.0);
}

/// Of a server of which nothing is known, a part of what is in flight may be much.
#[test]
fn the_first_probe_sends_three_at_a_time() {
    let mut world = Loop::new(Congestion::new().start(100));
    while world.limiter.estimator().probe().is_none() {
        world.run(ms(1), queue(20));
    }
    let probe = world.limiter.estimator().probe();
    assert_eq!(probe.map(|probe| probe.at_most), Some(3));
}

fn call_one_after_another<E: Estimator>(estimator: E) -> u32 {
    let mut now = Instant::now();
    let mut limiter = Congestion::with(estimator).start(10).seed(1);
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

/// An unsigned difference of latencies overflows in some, and a limit that is no number stays.
#[test]
fn falling_latency_does_not_panic() {
    let mut now = Instant::now();
    let mut limiter = Congestion::new().seed(1);
    for latency in [5_000, 1_000, 100, 10, 1, 0] {
        let end = now + 100 * SECOND;
        while now < end {
            let permits = fill(&mut limiter, now);
            let sent = now;
            now += ms(latency);
            for permit in permits {
                limiter.complete(permit, Some(Outcome::Succeeded), now);
            }
            now = now.max(sent + ms(10));
        }
        let limit = limiter.exact_limit();
        assert!((20.0..=200.0).contains(&limit), "{limit} at {latency} ms");
    }
    assert!(
        limiter.baseline().unwrap() < ms(2),
        "{:?}",
        limiter.baseline()
    );
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
    estimator.seed(1);
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
