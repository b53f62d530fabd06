//! What a server declares to be the most.
#![expect(
    clippy::disallowed_methods,
    reason = "time has to begin somewhere; nothing here waits for it"
)]

use std::time::Instant;

use tower_throttle_congestion::{Cause, Congestion};
use tower_throttle_core::{Limiter, Outcome};

mod support;

use support::{
    ms,
    pure::{Says, fill},
};

#[test]
fn a_declared_concurrency_is_a_ceiling() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says(Some(50.0))).start(20);

    limiter.set_ceiling(Some(4));
    assert_eq!(
        (limiter.limit(), limiter.last_cause()),
        (4, Some(Cause::Declared))
    );

    let permit = limiter.take((), now);
    limiter.complete(permit, Some(Outcome::Succeeded), now);
    assert_eq!(limiter.limit(), 4);

    limiter.set_ceiling(None);
    let permit = limiter.take((), now);
    limiter.complete(permit, Some(Outcome::Succeeded), now);
    assert_eq!(limiter.limit(), 50);
}

/// Each time that the lower one came, what was in flight counted no more: 429s to everything, and a limit of 20.
#[test]
fn ceilings_that_alternate_do_not_stop_the_learning() {
    let mut now = Instant::now();
    let mut limiter = Congestion::new().seed(1);
    for _ in 0..120 {
        let permits = fill(&mut limiter, now);
        now += ms(1000);
        for (permit, ceiling) in permits.into_iter().zip([40, 10].into_iter().cycle()) {
            limiter.set_ceiling(Some(ceiling));
            limiter.complete(permit, Some(Outcome::Throttled), now);
        }
    }
    assert_eq!(limiter.limit(), 1);
}

#[test]
fn a_declared_concurrency_of_zero_lets_one_through_to_ask() {
    let mut limiter = Congestion::new();

    limiter.set_ceiling(Some(0));

    assert_eq!(limiter.limit(), 1);
}

/// As many calls as were allowed told that there was room for so many, and the limit of before was lost.
#[test]
fn what_a_ceiling_hides_is_not_forgotten_by_learning() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says(Some(4.0))).start(20);
    limiter.set_ceiling(Some(4));
    let permit = limiter.take((), now);
    limiter.complete(permit, Some(Outcome::Succeeded), now);

    limiter.set_ceiling(None);

    assert_eq!(limiter.limit(), 20);
}

#[test]
fn a_limit_that_falls_below_a_ceiling_does_not_come_back_with_it() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says(Some(3.0))).start(20);
    limiter.set_ceiling(Some(4));
    let permit = limiter.take((), now);
    limiter.complete(permit, Some(Outcome::Throttled), now);

    limiter.set_ceiling(None);

    assert_eq!(limiter.limit(), 3);
}

#[test]
fn a_ceiling_below_the_floor_wins_for_as_long_as_it_holds() {
    let mut limiter = Congestion::with(Says::default()).min_limit(10);

    limiter.set_ceiling(Some(4));
    assert_eq!(limiter.limit(), 4);
    limiter.set_ceiling(Some(7));
    assert_eq!(limiter.limit(), 7);
    limiter.set_ceiling(None);
    assert_eq!(limiter.limit(), 20);
}

/// What was sent under a limit of 20 was refused, and the limit fell below the ceiling for that.
#[test]
fn calls_sent_before_a_much_lower_ceiling_say_nothing_about_it() {
    let now = Instant::now();
    let mut limiter = Congestion::with(Says(Some(1.0))).start(20);
    let permits = fill(&mut limiter, now);

    limiter.set_ceiling(Some(4));
    for permit in permits {
        limiter.complete(permit, Some(Outcome::Throttled), now + ms(100));
    }

    assert_eq!((limiter.limit(), limiter.in_flight()), (4, 0));
}
