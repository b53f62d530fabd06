use std::time::{Duration, Instant};

use super::in_flight::{Formula, Sample};

/// How long a window is.
const WINDOW: Duration = Duration::from_secs(1);
/// How many samples it takes to mean something.
const MIN_SAMPLES: u32 = 10;
/// What is faster is no sample.
const MIN_LATENCY: Duration = Duration::from_micros(100);

/// Tells a formula of what happened in a second, not of every call.
///
/// That is the mean latency, the most in flight, and whether anything was dropped. A second with less
/// than 10 samples is thrown away.
///
/// Source: Netflix concurrency-limits, `limit/WindowedLimit.java` and
/// `limit/window/ImmutableAverageSampleWindow.java`, with the published defaults. The first window
/// ends with the first sample, there as here.
#[derive(Debug)]
pub struct Windowed<F> {
    formula: F,
    window: Window,
    end: Option<Instant>,
}

impl<F: Formula> Windowed<F> {
    /// Windows in front of `formula`.
    pub fn new(formula: F) -> Self {
        Self {
            formula,
            window: Window::default(),
            end: None,
        }
    }
}

impl<F: Formula> Formula for Windowed<F> {
    fn limit(&self) -> u32 {
        self.formula.limit()
    }

    fn sample(&mut self, sample: Sample) {
        if sample.latency < MIN_LATENCY {
            return;
        }
        self.window.add(&sample);
        if self.end.is_some_and(|end| sample.now <= end) {
            return;
        }
        self.end = sample.now.checked_add(WINDOW);
        let window = std::mem::take(&mut self.window);
        if window.samples >= MIN_SAMPLES {
            self.formula.sample(window.summary(sample.now));
        }
    }
}

#[derive(Debug, Default)]
struct Window {
    samples: u32,
    latency: Duration,
    in_flight: u32,
    is_drop: bool,
}

impl Window {
    fn add(&mut self, sample: &Sample) {
        self.samples = self.samples.saturating_add(1);
        self.latency = self.latency.saturating_add(sample.latency);
        self.in_flight = self.in_flight.max(sample.in_flight);
        self.is_drop |= sample.is_drop;
    }

    fn summary(&self, now: Instant) -> Sample {
        Sample {
            now,
            latency: self.latency / self.samples.max(1),
            in_flight: self.in_flight,
            is_drop: self.is_drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::testing::{call, dropped, start};

    /// Remembers what it was told.
    #[derive(Debug, Default)]
    struct Told(Vec<Sample>);

    impl Formula for Told {
        fn limit(&self) -> u32 {
            1
        }

        fn sample(&mut self, sample: Sample) {
            self.0.push(sample);
        }
    }

    fn told(samples: impl IntoIterator<Item = (u64, Sample)>) -> Vec<Sample> {
        let t0 = start();
        let mut windowed = Windowed::new(Told::default());
        for (at, sample) in samples {
            let now = t0 + Duration::from_millis(at);
            windowed.sample(Sample { now, ..sample });
        }
        windowed.formula.0
    }

    #[test]
    fn a_second_is_told_as_one() {
        let calls = (0..20).map(|k| (k * 100, call(100 + k, 5)));
        let told = told(calls.chain([(2100, dropped(9))]));
        assert_eq!(told.len(), 1);
        // The first is a window of its own; those up to 1100 ms are the next.
        assert_eq!(told[0].latency, Duration::from_millis(106));
        assert_eq!(told[0].in_flight, 5);
        assert!(!told[0].is_drop);
    }

    #[test]
    fn a_second_with_few_calls_is_thrown_away() {
        assert!(told((0..50).map(|k| (k * 200, call(100, 5)))).is_empty());
    }

    #[test]
    fn a_drop_marks_its_second() {
        let calls = (0..11).map(|k| (k * 100, call(100, 5)));
        let told = told(calls.chain([(1050, dropped(5)), (1150, call(100, 5))]));
        assert!(told[0].is_drop);
    }

    #[test]
    fn what_is_too_fast_is_no_sample() {
        assert!(told((0..100).map(|k| (k * 50, call(0, 5)))).is_empty());
    }
}
