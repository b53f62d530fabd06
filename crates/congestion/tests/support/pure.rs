//! Limiters without an adapter, each told its instants.

use std::time::Instant;

use tower_throttle_congestion::{
    Bounds, Cause, Change, Congestion, CongestionPermit, Estimator, Sample,
};
use tower_throttle_core::{Limiter, Outcome, Wait};

use super::ms;

/// Says what it is told to say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Says(pub(crate) Option<f64>);

impl Estimator for Says {
    fn learn(&mut self, sample: &Sample, _limit: f64, _bounds: Bounds) -> Option<Change> {
        // As many as milliseconds have passed.
        let told = sample.latency().as_secs_f64() * 1000.0;
        Some(Change::new(self.0.unwrap_or(told), Cause::Set))
    }
}

pub(crate) fn passes<E: Estimator>(limiter: &Congestion<E>, now: Instant) -> bool {
    limiter.check(&(), now) == Wait::Now
}

/// At most a thousand, so that a test ends if nothing is limited.
pub(crate) fn fill<E: Estimator>(
    limiter: &mut Congestion<E>,
    now: Instant,
) -> Vec<CongestionPermit> {
    let mut permits = Vec::new();
    while permits.len() < 1000 && passes(limiter, now) {
        permits.push(limiter.take((), now));
    }
    permits
}

/// So many calls at once, of 99 ms, each tenth of a second for a minute.
pub(crate) fn at_once(limiter: &mut Congestion, calls: usize) {
    let start = Instant::now();
    for round in 0..600 {
        let now = start + round * ms(100);
        let permits: Vec<_> = (0..calls).map(|_| limiter.take((), now)).collect();
        for permit in permits {
            limiter.complete(permit, Some(Outcome::Succeeded), now + ms(99));
        }
    }
}

pub(crate) fn complete_all<E: Estimator>(
    limiter: &mut Congestion<E>,
    permits: Vec<CongestionPermit>,
    outcome: Outcome,
    now: Instant,
) {
    for permit in permits {
        limiter.complete(permit, Some(outcome), now);
    }
}
