//! Why a limit was changed: what is told is what happened.

use tower_throttle_congestion::{Cause, Congestion, Gradient};
use tower_throttle_core::Outcome;

mod support;

use support::{
    ms,
    pure::at_once,
    world::{Loop, SECOND, always},
};

/// A client that has found a limit of 20.
fn settled() -> Loop<Gradient> {
    let mut world = Loop::new(Congestion::new().max_limit(20));
    world.run(31 * SECOND, always(ms(100), Outcome::Succeeded));
    assert_eq!(world.limiter.limit(), 20);
    world
}

#[test]
fn a_limit_rises_because_there_is_room() {
    let mut world = Loop::new(Congestion::new().start(5));
    world.run(31 * SECOND, always(ms(100), Outcome::Succeeded));

    assert!(world.limiter.limit() > 5);
    assert_eq!(world.limiter.last_cause(), Some(Cause::Room));
}

#[test]
fn a_limit_falls_because_the_server_is_slow() {
    let mut world = settled();
    world.run(2 * SECOND, always(ms(400), Outcome::Succeeded));

    assert!(world.limiter.limit() < 20);
    assert_eq!(world.limiter.last_cause(), Some(Cause::Slow));
}

#[test]
fn a_limit_falls_because_it_is_not_used() {
    let mut limiter = Congestion::new().start(100).seed(1);
    at_once(&mut limiter, 4);

    assert_eq!(limiter.limit(), 20);
    assert_eq!(limiter.last_cause(), Some(Cause::Unused));
}

#[test]
fn a_limit_falls_because_calls_were_throttled_or_failed() {
    for (outcome, cause) in [
        (Outcome::Throttled, Cause::Throttled),
        (Outcome::Failed, Cause::Failed),
    ] {
        let mut world = settled();
        world.run(SECOND, always(ms(100), outcome));

        assert!(world.limiter.limit() < 20);
        assert_eq!(world.limiter.last_cause(), Some(cause));
    }
}
