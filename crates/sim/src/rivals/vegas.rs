use tower_throttle_jitter::Generator;

use super::in_flight::{Bounds, Formula, Sample, whole};

/// After how many samples, in limits, the lowest latency is measured again, at most.
const PROBE: f64 = 30.0;

/// Netflix's Vegas: keeps a few calls in the queue that a latency above the lowest one betrays.
///
/// ```text
/// queue = ⌈limit · (1 − lowest / latency)⌉
///
///         0 … lg          … 3·lg              3·lg … 6·lg    above 6·lg, or a drop
/// limit   + 6·lg          + lg                unchanged      − lg
/// ```
///
/// where `lg` is the whole part of log₁₀ of the limit, at least 1. Every 15 to 30 limits of samples
/// the latest latency becomes the lowest.
///
/// Source: concurrency-limits, `limit/VegasLimit.java`, whose tests it passes. It starts at 20 and
/// stays within 1 and 1000.
#[derive(Debug)]
pub struct Vegas {
    bounds: Bounds,
    limit: f64,
    lowest: f64,
    samples: f64,
    probe_after: f64,
    generator: Generator,
}

impl Vegas {
    /// With the bounds as published.
    #[must_use]
    pub fn published(generator: Generator) -> Self {
        Self::with(Bounds::published(20, 1, 1000), generator)
    }

    /// With other bounds.
    #[must_use]
    pub fn with(bounds: Bounds, generator: Generator) -> Self {
        let mut vegas = Self {
            bounds,
            limit: f64::from(bounds.initial()),
            lowest: 0.0,
            samples: 0.0,
            probe_after: 0.0,
            generator,
        };
        vegas.draw_probe();
        vegas
    }

    fn draw_probe(&mut self) {
        self.probe_after = PROBE * (0.5 + 0.5 * self.generator.unit());
    }

    fn is_probe(&mut self) -> bool {
        self.samples += 1.0;
        let is_probe = self.probe_after * self.limit <= self.samples;
        if is_probe {
            self.draw_probe();
            self.samples = 0.0;
        }
        is_probe
    }

    /// By how much the limit changes.
    fn step(&self, latency: f64, sample: &Sample) -> f64 {
        let lg = f64::from(whole(self.limit).checked_ilog10().unwrap_or(0)).max(1.0);
        let queue = (self.limit * (1.0 - self.lowest / latency)).ceil();
        match queue {
            _ if sample.is_drop => -lg,
            _ if f64::from(sample.in_flight) * 2.0 < self.limit => 0.0,
            _ if queue <= lg => 6.0 * lg,
            _ if queue < 3.0 * lg => lg,
            _ if queue > 6.0 * lg => -lg,
            _ => 0.0,
        }
    }
}

impl Formula for Vegas {
    fn limit(&self) -> u32 {
        whole(self.limit)
    }

    fn sample(&mut self, sample: Sample) {
        let latency = sample.latency.as_secs_f64().max(1e-9);
        let is_lowest = self.lowest <= 0.0 || latency < self.lowest;
        if self.is_probe() || is_lowest {
            self.lowest = latency;
            return;
        }
        let limit = self.limit + self.step(latency, &sample);
        self.limit = self.bounds.clamp_f64(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::testing::{call, dropped};

    fn after(initial: u32, max: u32, samples: &[Sample]) -> u32 {
        let bounds = Bounds::new(initial, 1, max).unwrap();
        let mut vegas = Vegas::with(bounds, Generator::seeded(1));
        samples.iter().for_each(|&sample| vegas.sample(sample));
        vegas.limit()
    }

    // `VegasLimitTest.java`.
    #[test]
    fn the_limit_moves_as_published() {
        let first = call(10, 10);
        assert_eq!(after(10, 20, &[first]), 10);
        assert_eq!(after(10, 20, &[first, call(10, 11)]), 16);
        assert_eq!(after(10, 20, &[first, call(50, 11)]), 9);
        assert_eq!(after(10, 20, &[first, call(14, 14)]), 10);
        let (first, second) = (call(10_000, 5000), call(10_000, 6000));
        assert_eq!(after(10_000, 20_000, &[first, second]), 10_024);
    }

    #[test]
    fn a_drop_shrinks_it_even_while_it_is_not_used() {
        let samples = [call(10, 10), dropped(1)];
        assert_eq!(after(100, 200, &samples), 98);
    }

    #[test]
    fn a_limit_that_is_not_used_does_not_grow() {
        assert_eq!(after(10, 20, &[call(10, 4), call(10, 4)]), 10);
    }

    // Netflix/concurrency-limits#165: latency under load becomes the new normal.
    #[test]
    fn the_lowest_latency_is_forgotten_under_load() {
        let mut vegas = Vegas::published(Generator::seeded(1));
        vegas.sample(call(10, 20));
        (0..600).for_each(|_| vegas.sample(call(1000, 20)));
        assert!(vegas.lowest > 0.9);
    }

    #[test]
    fn the_limit_stays_within_its_bounds() {
        let mut vegas = Vegas::published(Generator::seeded(1));
        (0..10_000).for_each(|_| vegas.sample(call(0, u32::MAX)));
        assert!(vegas.limit() <= 1000);
        (0..10_000).for_each(|_| vegas.sample(dropped(1)));
        assert_eq!(vegas.limit(), 1);
    }
}
