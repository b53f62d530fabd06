use std::time::Duration;

use super::in_flight::{Bounds, Formula, Sample, whole};

/// What is left of the limit after a drop.
const BACKOFF: f64 = 0.9;
/// A call that takes longer counts as dropped.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Netflix's AIMD: one more per call while half of the limit is used, a tenth less per drop.
///
/// Source: concurrency-limits, `limit/AIMDLimit.java`, whose tests it passes. Its bounds: 20, at least
/// 20, at most 200.
#[derive(Debug)]
pub struct Aimd {
    bounds: Bounds,
    limit: u32,
}

impl Aimd {
    /// With the bounds as published.
    #[must_use]
    pub fn published() -> Self {
        Self::with(Bounds::published(20, 20, 200))
    }

    /// With other bounds.
    #[must_use]
    pub fn with(bounds: Bounds) -> Self {
        Self {
            bounds,
            limit: bounds.initial(),
        }
    }
}

impl Formula for Aimd {
    fn limit(&self) -> u32 {
        self.limit
    }

    fn sample(&mut self, sample: Sample) {
        let limit = if sample.is_drop || sample.latency > TIMEOUT {
            whole(f64::from(self.limit) * BACKOFF)
        } else if sample.in_flight.saturating_mul(2) >= self.limit {
            self.limit.saturating_add(1)
        } else {
            self.limit
        };
        self.limit = self.bounds.clamp(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::testing::{call, dropped};

    fn after(initial: u32, min: u32, max: u32, sample: Sample) -> u32 {
        let mut aimd = Aimd::with(Bounds::new(initial, min, max).unwrap());
        aimd.sample(sample);
        aimd.limit()
    }

    // The first two from `AIMDLimitTest.java`.
    #[test]
    fn the_limit_moves_as_published() {
        assert_eq!(after(30, 20, 200, dropped(0)), 27);
        assert_eq!(after(21, 0, 21, call(1, 10)), 21);
        assert_eq!(after(30, 20, 200, call(5001, 30)), 27);
        assert_eq!(after(30, 20, 200, call(1, 15)), 31);
    }

    #[test]
    fn a_limit_that_is_not_used_does_not_grow() {
        assert_eq!(after(30, 20, 200, call(1, 14)), 30);
    }

    #[test]
    fn the_published_floor_is_its_start() {
        let mut aimd = Aimd::published();
        (0..50).for_each(|_| aimd.sample(dropped(20)));
        assert_eq!(aimd.limit(), 20);
    }
}
