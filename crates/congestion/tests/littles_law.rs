//! What Little's law makes of a server.
#![expect(
    clippy::disallowed_methods,
    reason = "time has to begin somewhere; nothing here waits for it"
)]

use std::time::Instant;

use tower_throttle_congestion::{Bounds, Cause, Change, Congestion, Estimator, LittlesLaw, Sample};
use tower_throttle_core::Outcome;

mod support;

use support::{
    ms,
    world::{Loop, SECOND, always, queue},
};

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

/// A server that had become slower for good kept the limit at its lowest for ever.
#[test]
fn littles_law_forgets_a_lowest_latency_that_is_no_longer_true() {
    let mut world = Loop::new(Congestion::with(LittlesLaw::new()).start(8).max_limit(8));
    world.run(20 * SECOND, always(ms(100), Outcome::Succeeded));

    world.run(10 * SECOND, always(ms(1000), Outcome::Succeeded));
    assert_eq!(world.limiter.limit(), 1);
    world.run(60 * SECOND, always(ms(1000), Outcome::Succeeded));

    assert_eq!(world.limiter.limit(), 8);
    assert!(world.limiter.baseline().unwrap() > ms(500));
}

/// What a call that did not succeed makes of a limit between 5 and 8.
fn after(mut law: LittlesLaw, outcome: Outcome, limit: f64) -> Option<Change> {
    let sent = Instant::now();
    let sample = Sample::new(sent, sent + ms(10), 8, outcome);
    law.learn(&sample, limit, Bounds::new(5, 8))
}

#[test]
fn littles_law_takes_one_for_a_drop_and_says_what_it_was() {
    for (outcome, cause) in [
        (Outcome::Throttled, Cause::Throttled),
        (Outcome::Failed, Cause::Failed),
    ] {
        let change = after(LittlesLaw::new(), outcome, 6.0);
        assert_eq!(change, Some(Change::new(5.0, cause)));
    }
}

#[test]
fn littles_law_takes_nothing_from_a_limit_that_is_at_its_lowest() {
    assert_eq!(after(LittlesLaw::new(), Outcome::Failed, 5.0), None);
}

#[test]
fn littles_law_as_published_takes_no_notice_of_drops() {
    let law = LittlesLaw::as_published();
    assert_eq!(after(law, Outcome::Throttled, 8.0), None);
}
