use super::in_flight::{Bounds, Formula, Sample, whole};

/// How much slower than on average a call may be.
const TOLERANCE: f64 = 1.5;
/// How many may queue.
const QUEUE: f64 = 4.0;
/// The weight of a new limit.
const SMOOTHING: f64 = 0.2;
/// The average is one of so many samples.
const LONG: f64 = 600.0;
/// The first samples count all alike.
const WARM_UP: u32 = 10;
/// What is left of an average that is more than twice the latest latency.
const DECAY: f64 = 0.95;

/// Netflix's Gradient2: a limit that shrinks while calls are slower than on average of late.
///
/// ```text
/// gradient = clamp(1.5 · long / short, 0.5, 1)
/// limit   ← 0.8 · limit + 0.2 · (limit · gradient + 4)
/// ```
///
/// Source: concurrency-limits, `limit/Gradient2Limit.java`, and `measurement/ExpAvgMeasurement.java`
/// for the long average. Its bounds: 20, at least 20, at most 200. Drops mean nothing to it.
#[derive(Debug)]
pub struct Gradient2 {
    bounds: Bounds,
    limit: f64,
    long: Average,
}

impl Gradient2 {
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
            limit: f64::from(bounds.initial()),
            long: Average::default(),
        }
    }
}

impl Formula for Gradient2 {
    fn limit(&self) -> u32 {
        whole(self.limit)
    }

    fn sample(&mut self, sample: Sample) {
        let short = sample.latency.as_secs_f64().max(f64::MIN_POSITIVE);
        let long = self.long.add(short);
        if long / short > 2.0 {
            self.long.value *= DECAY;
        }
        if f64::from(sample.in_flight) < self.limit / 2.0 {
            return;
        }
        let gradient = (TOLERANCE * long / short).clamp(0.5, 1.0);
        let limit = self.limit * gradient + QUEUE;
        let smoothed = self.limit * (1.0 - SMOOTHING) + limit * SMOOTHING;
        self.limit = self.bounds.clamp_f64(smoothed);
    }
}

/// A plain average at first, an exponential one from then on.
#[derive(Debug, Default)]
struct Average {
    value: f64,
    sum: f64,
    count: u32,
}

impl Average {
    fn add(&mut self, sample: f64) -> f64 {
        if self.count < WARM_UP {
            self.count += 1;
            self.sum += sample;
            self.value = self.sum / f64::from(self.count);
        } else {
            let weight = 2.0 / (LONG + 1.0);
            self.value = self.value * (1.0 - weight) + sample * weight;
        }
        self.value
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rivals::testing::{call, dropped};

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    fn wide() -> Gradient2 {
        Gradient2::with(Bounds::new(20, 1, 200).unwrap())
    }

    #[test]
    fn the_limit_moves_as_published() {
        let mut gradient = wide();
        gradient.sample(call(100, 20));
        assert!(near(gradient.limit, 20.8));
        // The average is 200 ms by now, and 1.5 · 200 / 300 = 1.
        gradient.sample(call(300, 20));
        assert!(near(gradient.limit, 21.6));
        // 400 ms on average; 1.5 · 400 / 800 = 0.75.
        gradient.sample(call(800, 20));
        assert!(near(gradient.limit, 21.6 * 0.8 + 0.2 * (21.6 * 0.75 + 4.0)));
    }

    #[test]
    fn the_average_is_exponential_after_ten_samples() {
        let mut average = Average::default();
        (0..10).for_each(|_| {
            average.add(1.0);
        });
        assert!(near(average.add(302.0 / 2.0), 1.0 + 150.0 * 2.0 / 601.0));
    }

    #[test]
    fn a_limit_that_is_not_used_does_not_grow() {
        let mut gradient = wide();
        gradient.sample(call(100, 9));
        assert!(near(gradient.limit, 20.0));
    }

    // Netflix/concurrency-limits#134 and #137: the queue of 4 outweighs a mild gradient, drops or not.
    #[test]
    fn it_grows_while_everything_is_refused() {
        let mut gradient = wide();
        (0..500).for_each(|_| gradient.sample(dropped(200)));
        assert_eq!(gradient.limit(), 200);
    }

    #[test]
    fn calls_that_take_no_time_do_not_break_it() {
        let mut gradient = wide();
        for latency in [0, 1000, 0] {
            gradient.sample(Sample {
                latency: Duration::from_secs(latency),
                ..call(0, 20)
            });
            assert!((1..=200).contains(&gradient.limit()));
        }
    }
}
