mod limiter;

use std::time::{Duration, Instant};

use crate::{Bounds, Cause, Estimator, Gradient, limit::Limit, news::News};

/// Lets so many requests be in flight as the server will bear, as an [`Estimator`] finds out.
///
/// Most callers should use [`CongestionLayer`](crate::CongestionLayer). This is the limiter itself: a
/// plain state machine that pairs with others, a rate beside it or a gate before it.
///
/// ```text
/// limit      3           2     1           2
/// in flight  1  2  3  3  3  2  2  1  1  2  2
///                        └─────┴ debt: nobody is let in until so many have left
/// ```
///
/// # The limit falls below what is in flight
///
/// Nothing in flight is disturbed. Calls that end are not replaced until there are fewer than the limit.
///
/// # Fractions
///
/// With a limit of 2.25, every fourth call that ends leaves room for a third one: the mean in flight is
/// what the limit says, within the whole numbers on both sides. So ten clients can share twelve places.
/// What may be in flight at a moment is always a whole number, [`limit`](Self::limit).
#[derive(Debug, Clone)]
pub struct Congestion<E = Gradient> {
    estimator: E,
    limit: Limit,
    beside_rate: bool,
    in_flight: u32,
    /// Counts how often the limit was set, and how many probes began.
    era: u64,
    /// How many of those in flight were sent in this era.
    current: u32,
    /// The latest instant that a call was over.
    latest: Option<Instant>,
    last_cause: Option<Cause>,
    news: News,
    /// To which a ceiling has brought the limit.
    lowest_ceiling: f64,
}

/// A ceiling that leaves such a part of the limit doesn't make it another limit.
const WAVERING: f64 = 0.9;

/// A request in flight.
#[derive(Debug)]
pub struct CongestionPermit {
    started: Instant,
    in_flight: u32,
    era: u64,
}

impl Congestion {
    /// Finds the limit by [`Gradient`]; starts at 20, and stays within 1 and 200.
    ///
    /// It reads no clock: clients of one server that aren't started together want
    /// `with(Gradient::new().meeting(meeting()))`.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Gradient::new())
    }
}

impl Default for Congestion {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Estimator> Congestion<E> {
    /// Finds the limit by `estimator`; starts at 20, and stays within 1 and 200.
    #[must_use]
    pub fn with(estimator: E) -> Self {
        Self {
            estimator,
            limit: Limit::new(20.0, Bounds::new(1, 200)),
            beside_rate: false,
            in_flight: 0,
            era: 0,
            current: 0,
            latest: None,
            last_cause: None,
            news: News::default(),
            lowest_ceiling: f64::INFINITY,
        }
    }

    /// The limit at the start. Default: 20, or the bound that is nearest.
    #[must_use]
    pub fn start(mut self, limit: u32) -> Self {
        self.limit.set(f64::from(limit));
        self
    }

    /// The lowest limit. Default: 1. Zero counts as 1: a limit of 0 would never learn that it is wrong. It
    /// raises the highest limit if that is lower.
    #[must_use]
    pub fn min_limit(mut self, min: u32) -> Self {
        let bounds = self.limit.bounds();
        self.limit.bound(Bounds::new(min, bounds.max));
        self
    }

    /// The highest limit. Default: 200. It lowers the lowest limit if that is higher.
    #[must_use]
    pub fn max_limit(mut self, max: u32) -> Self {
        let bounds = self.limit.bounds();
        self.limit.bound(Bounds::new(bounds.min.min(max), max));
        self
    }

    /// Leaves it to a rate beside it what to do about throttled calls: they say nothing about concurrency
    /// then. Default: they lower the limit.
    #[must_use]
    pub fn beside_rate(mut self) -> Self {
        self.beside_rate = true;
        self
    }

    /// Draws the same numbers in each run. Default: the next stream of this process, by host name and
    /// process id; see [`Generator`](tower_throttle_jitter::Generator).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.estimator.seed(seed);
        self
    }

    /// How many may be in flight now. While a [probe](crate::Probe) is under way, fewer are let in.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.allowed()
    }

    /// The limit with its fraction.
    #[must_use]
    pub fn exact_limit(&self) -> f64 {
        self.limit.exact()
    }

    /// How many are in flight. More than the limit, if that fell.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The latency of the server while it has little to do, as far as is known.
    #[must_use]
    pub fn baseline(&self) -> Option<Duration> {
        self.estimator.baseline()
    }

    /// Why the limit was last changed; `None` if it is what it was at the start.
    #[must_use]
    pub fn last_cause(&self) -> Option<Cause> {
        self.last_cause
    }

    /// Sets the limit, within its bounds: 0 counts as 1. The estimator goes on from there; a probe that is
    /// under way is over, and what becomes of the calls in flight says nothing about the new limit.
    pub fn set_limit(&mut self, limit: u32) {
        self.restart();
        self.change(Cause::Set, |it| it.set(f64::from(limit)));
    }

    /// What the server says is the most; `None` if it says nothing any more. The limit stays at or below
    /// it; 0 counts as 1, since somebody has to ask whether it still holds.
    ///
    /// It hides the limit and doesn't replace it: with a higher one, the limit is what it was before,
    /// unless it has been lowered for another reason meanwhile. If the limit is lower by more than a tenth than
    /// any ceiling has made it before, a probe that is under way is over, and what becomes of the calls in flight
    /// says nothing about the new limit.
    pub fn set_ceiling(&mut self, ceiling: Option<u32>) {
        let before = self.limit.exact();
        self.change(Cause::Declared, |it| it.set_ceiling(ceiling));
        // A server that wavers by a little, or between two ceilings, wouldn't let anything be learnt otherwise.
        let now = self.limit.exact();
        if now < WAVERING * before.min(self.lowest_ceiling) {
            self.lowest_ceiling = now;
            self.restart();
        }
    }

    /// The estimator.
    #[must_use]
    pub const fn estimator(&self) -> &E {
        &self.estimator
    }

    /// The limit is another one, and not because of what was learnt.
    fn restart(&mut self) {
        self.estimator.reset();
        self.begin_era();
    }

    fn begin_era(&mut self) {
        self.era = self.era.wrapping_add(1);
        self.current = 0;
    }

    fn change(&mut self, cause: Cause, change: impl FnOnce(&mut Limit)) {
        let before = self.limit.exact();
        change(&mut self.limit);
        let now = self.limit.exact();
        if before.total_cmp(&now).is_ne() {
            self.last_cause = Some(cause);
            self.news.changed(before, now, cause);
        }
    }
}
