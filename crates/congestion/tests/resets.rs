//! What becomes of what was learnt, or was under way, when somebody else sets the limit.
#![expect(
    clippy::disallowed_methods,
    reason = "time has to begin somewhere; nothing here waits for it"
)]

use std::time::Instant;

use tower_throttle_congestion::{Cause, Congestion, Estimator, Gradient};
use tower_throttle_core::Outcome;

mod support;

use support::{
    ms,
    pure::{complete_all, fill},
    world::{Loop, SECOND, always},
};

/// Goes on until a probe begins.
fn until_a_probe(world: &mut Loop<Gradient>, millis: u64) {
    while world.limiter.estimator().probe().is_none() {
        world.run(ms(1), always(ms(millis), Outcome::Succeeded));
    }
}

#[test]
fn a_probe_is_over_when_a_limit_is_set_or_a_much_lower_one_is_declared() {
    let changes: [fn(&mut Congestion); 2] = [|it| it.set_limit(20), |it| it.set_ceiling(Some(4))];
    for change in changes {
        let mut world = Loop::new(Congestion::new());
        until_a_probe(&mut world, 100);
        change(&mut world.limiter);
        assert_eq!(world.limiter.estimator().probe(), None);
    }
}

/// Nine failures of before, and ten successes afterwards, were a window in which half of the calls failed.
#[test]
fn drops_of_before_are_forgotten_when_a_limit_is_set() {
    let now = Instant::now();
    let mut limiter = Congestion::new().start(9).seed(1);
    let permits = fill(&mut limiter, now);
    complete_all(&mut limiter, permits, Outcome::Failed, now + ms(100));

    limiter.set_limit(20);
    let permits = fill(&mut limiter, now + ms(200));
    complete_all(&mut limiter, permits, Outcome::Succeeded, now + ms(400));

    assert_eq!(
        (limiter.limit(), limiter.last_cause()),
        (20, Some(Cause::Set))
    );
}

/// It would be too short for the server of now: 3.8 times the latency of before.
#[test]
fn a_probe_is_as_long_as_the_latency_since_a_limit_was_set_says() {
    let mut world = Loop::new(Congestion::new().start(10).min_limit(10).max_limit(10));
    world.run(70 * SECOND, always(ms(100), Outcome::Succeeded));

    world.limiter.set_limit(10);
    until_a_probe(&mut world, 1000);

    let probe = world.limiter.estimator().probe().unwrap();
    let length = probe.ends_at - probe.resume_at;
    assert!(length > 3 * SECOND, "{length:?}");
}
