use std::{
    fmt,
    time::{Duration, Instant},
};

use tower_throttle_core::{Invalid, Outcome};

use crate::{Bounds, Cause, Change, Estimator, Sample, dice::Dice};

/// Changes the limit by one at a time, by Little's law: a Rust port of the congestion control of stkai's
/// SDK, made sound.
///
/// By Little's law (*A Proof for the Queuing Formula: L = λW*, 1961) the mean number in flight `L` is the
/// throughput `λ` times the latency `W`. The published law calls this the pressure. After each call, one
/// is taken from the limit if the pressure is above the threshold; else one is added, with the growth
/// probability.
///
/// *What is wrong with that.* A client's own throughput times its own latency is how many of its own
/// requests are in flight, whatever the server does. A threshold of 2 keeps two in flight, or some more where
/// calls take longer than the window of the throughput.
///
/// [`new`](Self::new) measures against the server at its fastest instead: with `W₀` the lowest latency
/// seen, the pressure is `λW / λW₀`: how many times as many are in flight as would be if the server were
/// as fast as ever. A limit that nobody uses doesn't grow, and calls that were throttled or failed take
/// one from the limit, once for all that were in flight together. `W₀` rises to what is measured while
/// the limit is at its lowest and the pressure doesn't cease.
///
/// It takes a server whose latencies vary for one that has slowed down: where the mean is more than twice the
/// lowest, the limit falls to its lowest and stays there. [`Gradient`](crate::Gradient) does better; this one is
/// here for those who come from there.
#[derive(Debug, Clone)]
pub struct LittlesLaw {
    against: Against,
    alpha: f64,
    window: Duration,
    threshold: f64,
    growth: f64,
    dice: Dice,
    latency: Option<f64>,
    lowest: Option<f64>,
    throughput: f64,
    opened: Option<Instant>,
    completed: u32,
    cut: Option<Instant>,
}

/// What the pressure is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    /// Nothing: it is what is in flight.
    Nothing,
    Lowest,
}

impl LittlesLaw {
    /// Measures against the lowest latency.
    #[must_use]
    pub fn new() -> Self {
        Self {
            against: Against::Lowest,
            alpha: 0.2,
            window: Duration::from_secs(5),
            threshold: 2.0,
            growth: 0.3,
            dice: Dice::default(),
            latency: None,
            lowest: None,
            throughput: 0.0,
            opened: None,
            completed: 0,
            cut: None,
        }
    }

    /// The law as it was published, but for two things: the original cannot shrink while every place is
    /// taken, which is when it should; and it takes note of all responses but 429s, where this one does of calls
    /// that [succeeded](Outcome::Succeeded), as no others tell how fast the server is.
    ///
    /// The original starts at its maximum: say `start`, too.
    #[must_use]
    pub fn as_published() -> Self {
        Self {
            against: Against::Nothing,
            ..Self::new()
        }
    }

    /// The weight of the latest latency in their moving average. Default: 0.2.
    ///
    /// # Panics
    ///
    /// If it isn't between 0 and 1, both ends excluded.
    #[must_use]
    #[track_caller]
    pub fn alpha(mut self, alpha: f64) -> Self {
        let valid = alpha > 0.0 && alpha < 1.0;
        self.alpha = require(valid, alpha, "alpha", "above 0 and below 1");
        self
    }

    /// Over how long throughput is measured. Default: 5 s.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// The pressure above which the limit shrinks. Default: 2.0.
    ///
    /// # Panics
    ///
    /// If it isn't above 0.
    #[must_use]
    #[track_caller]
    pub fn threshold(mut self, threshold: f64) -> Self {
        let valid = threshold > 0.0;
        self.threshold = require(valid, threshold, "threshold", "above 0");
        self
    }

    /// With which probability a call raises the limit while there is no pressure. Default: 0.3. Zero is
    /// never.
    ///
    /// # Panics
    ///
    /// If it isn't between 0 and 1.
    #[must_use]
    #[track_caller]
    pub fn growth_probability(mut self, probability: f64) -> Self {
        let valid = (0.0..=1.0).contains(&probability);
        self.growth = require(valid, probability, "growth_probability", "within 0 and 1");
        self
    }

    /// The moving average of the latencies, in seconds; `None` before the first.
    #[must_use]
    pub fn latency(&self) -> Option<f64> {
        self.latency
    }

    /// Calls per second in the last window; 0 in the first.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        self.throughput
    }

    /// How hard the server is pressed; 0 if that isn't known yet.
    #[must_use]
    pub fn pressure(&self) -> f64 {
        match (self.against, self.latency, self.lowest) {
            (Against::Nothing, Some(latency), _) => self.throughput * latency,
            (Against::Lowest, Some(latency), Some(lowest)) => latency / lowest,
            _ => 0.0,
        }
    }

    /// Takes note of a call that was answered.
    pub fn record(&mut self, latency: Duration, now: Instant) {
        let started = now.checked_sub(latency);
        let latency = latency.as_secs_f64().max(f64::MIN_POSITIVE);
        let average = self.latency.unwrap_or(latency);
        self.latency = Some(self.alpha * latency + (1.0 - self.alpha) * average);
        self.lowest = Some(self.lowest.map_or(latency, |lowest| lowest.min(latency)));
        let opened = *self.opened.get_or_insert(started.unwrap_or(now));
        self.completed = self.completed.saturating_add(1);
        let open_for = now.saturating_duration_since(opened);
        if open_for >= self.window && !open_for.is_zero() {
            self.throughput = f64::from(self.completed) / open_for.as_secs_f64();
            self.completed = 0;
            self.opened = Some(now);
        }
    }

    /// The published step: the limit after a call at this pressure. `draw` is uniform in `[0, 1)`.
    #[must_use]
    pub fn step(&self, pressure: f64, limit: u32, bounds: Bounds, draw: f64) -> u32 {
        if pressure > self.threshold {
            limit.saturating_sub(1).max(bounds.min)
        } else if pressure > 0.0 && limit < bounds.max && draw < self.growth {
            limit + 1
        } else {
            limit
        }
    }
}

impl Default for LittlesLaw {
    fn default() -> Self {
        Self::new()
    }
}

impl Estimator for LittlesLaw {
    fn learn(&mut self, sample: &Sample, limit: f64, bounds: Bounds) -> Option<Change> {
        let whole = Bounds::whole(limit);
        if sample.outcome != Outcome::Succeeded {
            return self.dropped(sample, whole, bounds);
        }
        self.record(sample.latency(), sample.finished);
        let pressure = self.pressure();
        let draw = if self.is_used(sample, whole) {
            self.dice.unit()
        } else {
            1.0
        };
        let next = self.step(pressure, whole, bounds, draw);
        if self.against == Against::Lowest && pressure > self.threshold && whole == bounds.min {
            self.forget();
        }
        let cause = if next < whole {
            Cause::Slow
        } else {
            Cause::Room
        };
        (next != whole).then(|| Change::new(f64::from(next), cause))
    }

    fn baseline(&self) -> Option<Duration> {
        self.lowest
            .map(|lowest| Duration::try_from_secs_f64(lowest).unwrap_or(Duration::MAX))
    }

    fn seed(&mut self, seed: u64) {
        self.dice = Dice::seeded(seed);
    }
}

impl LittlesLaw {
    /// One event for all that were in flight together.
    fn dropped(&mut self, sample: &Sample, limit: u32, bounds: Bounds) -> Option<Change> {
        let told = self.cut.is_some_and(|cut| sample.started <= cut);
        if told || limit <= bounds.min || self.against == Against::Nothing {
            return None;
        }
        self.cut = Some(sample.finished);
        Some(Change::new(f64::from(limit - 1), Cause::of(sample.outcome)))
    }

    /// Whether the limit was at least half used when this call was sent.
    fn is_used(&self, sample: &Sample, limit: u32) -> bool {
        self.against == Against::Nothing || sample.in_flight.saturating_mul(2) >= limit
    }

    /// Moves the lowest latency towards what is measured: it has been the lowest once.
    fn forget(&mut self) {
        if let (Some(lowest), Some(latency)) = (self.lowest, self.latency) {
            self.lowest = Some(lowest + self.alpha * self.alpha * (latency - lowest));
        }
    }
}

#[track_caller]
fn require<T: fmt::Display>(valid: bool, value: T, field: &'static str, rule: &'static str) -> T {
    assert!(valid, "{}", Invalid::new(field, value, rule));
    value
}
