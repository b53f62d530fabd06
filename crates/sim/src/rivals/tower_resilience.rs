use std::time::Duration;

use super::in_flight::{Bounds, Formula, Sample, whole};

/// The default bounds of both.
const BOUNDS: Bounds = Bounds::published(10, 1, 100);

/// The AIMD of tower-resilience: one more per success, half per failure.
///
/// A call that takes longer than the threshold, by default 100 ms, counts as a failure. It does not
/// ask whether the limit was used, nor whether failures belong together.
///
/// Source: tower-resilience 0.13, `crates/tower-resilience-core/src/aimd.rs` and
/// `crates/tower-resilience-adaptive/src/algorithm.rs`.
#[derive(Debug)]
pub struct TowerAimd {
    bounds: Bounds,
    threshold: Duration,
    limit: u32,
}

impl TowerAimd {
    /// As published, but for the threshold, which must be chosen for the server.
    #[must_use]
    pub fn published(threshold: Duration) -> Self {
        Self::with(BOUNDS, threshold)
    }

    /// With other bounds.
    #[must_use]
    pub fn with(bounds: Bounds, threshold: Duration) -> Self {
        Self {
            bounds,
            threshold,
            limit: bounds.clamp(bounds.initial()),
        }
    }
}

impl Formula for TowerAimd {
    fn limit(&self) -> u32 {
        self.limit
    }

    fn sample(&mut self, sample: Sample) {
        let limit = if sample.is_drop || sample.latency > self.threshold {
            self.limit / 2
        } else {
            self.limit.saturating_add(1)
        };
        self.limit = self.bounds.clamp(limit);
    }
}

/// How many may queue before the limit stops growing, and before it shrinks.
const ALPHA: u32 = 3;
const BETA: u32 = 6;
/// The weight of the latest latency.
const SMOOTHING: f64 = 0.5;
/// So many samples must be there first.
const MIN_SAMPLES: u32 = 10;

/// The Vegas of tower-resilience: a step of one for each call.
///
/// ```text
/// queue = limit · (smoothed − lowest) / lowest
/// ```
///
/// A failure halves the limit. Source: as for [`TowerAimd`].
#[derive(Debug)]
pub struct TowerVegas {
    bounds: Bounds,
    limit: u32,
    /// In seconds, as is the smoothed latency.
    lowest: f64,
    smoothed: f64,
    samples: u32,
}

impl TowerVegas {
    /// With the bounds as published.
    #[must_use]
    pub fn published() -> Self {
        Self::with(BOUNDS)
    }

    /// With other bounds.
    #[must_use]
    pub fn with(bounds: Bounds) -> Self {
        Self {
            bounds,
            limit: bounds.clamp(bounds.initial()),
            lowest: f64::INFINITY,
            smoothed: 0.0,
            samples: 0,
        }
    }

    fn measure(&mut self, latency: f64) {
        self.lowest = self.lowest.min(latency);
        self.smoothed = if self.smoothed > 0.0 {
            SMOOTHING * latency + (1.0 - SMOOTHING) * self.smoothed
        } else {
            latency
        };
        self.samples = self.samples.saturating_add(1);
    }

    fn adjusted(&self) -> u32 {
        if self.samples < MIN_SAMPLES || self.lowest <= 0.0 {
            return self.limit;
        }
        let above = (self.smoothed - self.lowest).max(0.0) / self.lowest;
        match whole(above * f64::from(self.limit)) {
            ..ALPHA => self.limit.saturating_add(1),
            ALPHA..=BETA => self.limit,
            _ => self.limit.saturating_sub(1),
        }
    }
}

impl Formula for TowerVegas {
    fn limit(&self) -> u32 {
        self.limit
    }

    fn sample(&mut self, sample: Sample) {
        let limit = if sample.is_drop {
            self.limit / 2
        } else {
            self.measure(sample.latency.as_secs_f64());
            self.adjusted()
        };
        self.limit = self.bounds.clamp(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::testing::{call, dropped};

    fn aimd() -> TowerAimd {
        TowerAimd::published(Duration::from_millis(100))
    }

    // The example in its documentation: 10, 11, 5.
    #[test]
    fn aimd_moves_as_published() {
        let mut aimd = aimd();
        aimd.sample(call(100, 1));
        assert_eq!(aimd.limit(), 11);
        aimd.sample(dropped(1));
        assert_eq!(aimd.limit(), 5);
        aimd.sample(call(101, 1));
        assert_eq!(aimd.limit(), 2);
    }

    #[test]
    fn aimd_grows_while_one_call_at_a_time_is_made() {
        let mut aimd = aimd();
        (0..500).for_each(|_| aimd.sample(call(1, 1)));
        assert_eq!(aimd.limit(), 100);
    }

    #[test]
    fn aimd_cuts_once_for_each_failure_of_a_burst() {
        let mut aimd = aimd();
        (0..90).for_each(|_| aimd.sample(call(1, 1)));
        (0..20).for_each(|_| aimd.sample(dropped(20)));
        assert_eq!(aimd.limit(), 1);
    }

    #[test]
    fn a_minimum_of_zero_lets_nothing_through_any_more() {
        let mut aimd =
            TowerAimd::with(Bounds::new(10, 0, 100).unwrap(), Duration::from_millis(100));
        (0..4).for_each(|_| aimd.sample(dropped(1)));
        assert_eq!(aimd.limit(), 0);
    }

    #[test]
    fn vegas_moves_as_published() {
        let mut vegas = TowerVegas::published();
        (0..9).for_each(|_| vegas.sample(call(100, 1)));
        assert_eq!(vegas.limit(), 10);
        vegas.sample(call(100, 1));
        assert_eq!(vegas.limit(), 11);
        // Smoothed 150 ms: a queue of 5.
        vegas.sample(call(200, 1));
        assert_eq!(vegas.limit(), 11);
        // Smoothed 175 ms: a queue of 8.
        vegas.sample(call(200, 1));
        assert_eq!(vegas.limit(), 10);
        vegas.sample(dropped(1));
        assert_eq!(vegas.limit(), 5);
    }

    #[test]
    fn a_server_that_got_slower_for_good_holds_vegas_down() {
        let mut vegas = TowerVegas::published();
        (0..20).for_each(|_| vegas.sample(call(100, 1)));
        (0..1000).for_each(|_| vegas.sample(call(1000, 1)));
        assert_eq!(vegas.limit(), 1);
    }

    #[test]
    fn calls_that_take_no_time_do_not_break_vegas() {
        let mut vegas = TowerVegas::published();
        (0..50).for_each(|_| vegas.sample(call(0, 1)));
        assert_eq!(vegas.limit(), 10);
    }
}
