use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{Generator, InvalidFactor, Jitter, generator::lock, jitter::scale};

/// How long to wait before each retry: exponentially longer, spread at random, never beyond the cap.
///
/// ```text
/// ceiling   50ms  100ms  200ms  …  12.8s  20s  20s    base × 2ⁿ, at most the cap
/// delay     12ms   97ms   44ms  …   3.1s  18s   7s    full jitter: anything from 0 up to that
/// ```
///
/// The defaults are those of the AWS SDKs' standard retries, version 2.1: base 50 ms, factor 2, cap 20 s,
/// [full](Jitter::full) jitter.
///
/// ```
/// use std::time::Duration;
/// use tower_throttle_jitter::Backoff;
///
/// let backoff = Backoff::default();
/// let mut delays = backoff.start(); // once per request
/// assert!(delays.next_delay() <= Duration::from_millis(50));
/// assert!(delays.next_delay() <= Duration::from_millis(100));
/// ```
///
/// # Sharing
///
/// Clones share the generator from which every request's own one is split, so neither two requests nor two clones
/// draw the same delays (with `tower::retry::backoff` all do). A lock is taken once per [`start`](Self::start).
#[derive(Clone, Debug)]
pub struct Backoff {
    curve: Curve,
    generator: Arc<Mutex<Generator>>,
}

impl Backoff {
    /// Starts at `base`, with the [defaults](Backoff) otherwise.
    ///
    /// A zero base never waits, except with an [additive](Jitter::additive) jitter. One above the cap counts as the cap.
    #[must_use]
    pub fn new(base: Duration) -> Self {
        let curve = Curve {
            base,
            factor: 2.0,
            cap: Duration::from_secs(20),
            jitter: Jitter::full(),
        };
        Self {
            curve,
            generator: Arc::new(Mutex::new(Generator::new())),
        }
    }

    /// What each ceiling is multiplied by to get the next; 2 by default, 1 doesn't grow.
    ///
    /// [Decorrelated](Jitter::decorrelated) jitter grows by its own rule and ignores it.
    ///
    /// # Panics
    ///
    /// Unless `1 ≤ factor < ∞`. [`try_factor`](Self::try_factor) returns the error instead.
    #[must_use]
    #[track_caller]
    pub fn factor(self, factor: f64) -> Self {
        self.try_factor(factor)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`factor`](Self::factor), for a factor that may be wrong.
    ///
    /// # Errors
    ///
    /// Unless `1 ≤ factor < ∞`.
    pub fn try_factor(mut self, factor: f64) -> Result<Self, InvalidFactor> {
        self.curve.factor = InvalidFactor::unless_growth("backoff factor", factor)?;
        Ok(self)
    }

    /// The longest delay of all, jitter included; 20 s by default. Zero never waits.
    #[must_use]
    pub fn cap(mut self, cap: Duration) -> Self {
        self.curve.cap = cap;
        self
    }

    /// How the delays are spread; [`Jitter::full`] by default.
    #[must_use]
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.curve.jitter = jitter;
        self
    }

    /// Where the randomness comes from: by default the next stream of this process, [`Generator::new`].
    #[must_use]
    pub fn generator(mut self, generator: Generator) -> Self {
        self.generator = Arc::new(Mutex::new(generator));
        self
    }

    /// `min(cap, base × factorⁿ)`: what the delay before retry `n`, counted from 0, is drawn from.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_throttle_jitter::Backoff;
    ///
    /// let backoff = Backoff::new(Duration::from_secs(1));
    /// assert_eq!(backoff.ceiling(3), Duration::from_secs(8));
    /// assert_eq!(backoff.ceiling(u32::MAX), Duration::from_secs(20));
    /// ```
    #[must_use]
    pub fn ceiling(&self, retry: u32) -> Duration {
        self.curve.ceiling(retry)
    }

    /// Begins the delays of one request, with a random stream of its own.
    #[must_use]
    pub fn start(&self) -> Delays {
        Delays {
            curve: self.curve,
            retry: 0,
            previous: self.curve.ceiling(0),
            generator: lock(&self.generator).split(),
        }
    }
}

/// Base 50 ms, the rest as in [`Backoff::new`].
impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(50))
    }
}

/// The delays of one request, from [`Backoff::start`]. They never end: counting attempts is the caller's.
#[derive(Debug)]
pub struct Delays {
    curve: Curve,
    retry: u32,
    previous: Duration,
    generator: Generator,
}

impl Delays {
    /// Draws the delay before the next retry.
    #[must_use = "drawing a delay doesn't wait"]
    pub fn next_delay(&mut self) -> Duration {
        let range = self.curve.range(self.retry, self.previous);
        let delay = self.generator.within(range).min(self.curve.cap);
        self.retry = self.retry.saturating_add(1);
        self.previous = delay;
        delay
    }
}

/// [`next_delay`](Delays::next_delay), without end.
impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.next_delay())
    }
}

#[derive(Clone, Copy, Debug)]
struct Curve {
    base: Duration,
    factor: f64,
    cap: Duration,
    jitter: Jitter,
}

impl Curve {
    fn ceiling(self, retry: u32) -> Duration {
        // Finite, because 0 × ∞ isn't 0.
        let growth = self.factor.powf(f64::from(retry)).min(f64::MAX);
        scale(self.base, growth).min(self.cap)
    }

    /// What the next delay is drawn from. Ends above the cap come down to it, so that clients that have reached it
    /// still differ; only the decorrelated rule is defined as drawing first and capping then.
    fn range(self, retry: u32, previous: Duration) -> RangeInclusive<Duration> {
        if self.jitter.is_decorrelated() {
            return self.ceiling(0)..=previous.saturating_mul(3);
        }
        let (shortest, longest) = self.jitter.range(self.ceiling(retry)).into_inner();
        shortest.min(self.cap)..=longest.min(self.cap)
    }
}
