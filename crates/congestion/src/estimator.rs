use std::{
    fmt,
    time::{Duration, Instant},
};

use tower_throttle_core::Outcome;

/// Finds out how many requests a server will bear at once, from how it answers.
///
/// A plain state machine: it is told of each call that is over, and says what the limit shall be from
/// then on. It counts nothing in flight, and waits for nothing; [`Congestion`](crate::Congestion) does
/// the one, the layer the other. [`Gradient`](crate::Gradient) is the one that most callers should use.
///
/// ```
/// use tower_throttle_congestion::{Bounds, Cause, Change, Congestion, Estimator, Sample};
/// use tower_throttle_core::Outcome;
///
/// /// One more for each round of successes, half as many for a failure (TCP Reno, roughly).
/// #[derive(Debug, Clone)]
/// struct Reno;
///
/// impl Estimator for Reno {
///     fn learn(&mut self, sample: &Sample, limit: f64, _bounds: Bounds) -> Option<Change> {
///         Some(match sample.outcome {
///             Outcome::Succeeded => Change::new(limit + 1.0 / limit, Cause::Room),
///             _ => Change::new(limit / 2.0, Cause::Failed),
///         })
///     }
/// }
///
/// let limiter = Congestion::with(Reno);
/// assert_eq!(limiter.limit(), 20);
/// ```
///
/// A [`CongestionLayer`](crate::CongestionLayer) and a [`SharedCongestion`](crate::SharedCongestion) want one that is
/// `Clone`, too, and threads share them if it is `Sync`.
pub trait Estimator: fmt::Debug + Send + 'static {
    /// Learns from a call that is over; returns the limit from now on, if that is another one.
    ///
    /// It isn't told of calls that say nothing about load: those that were
    /// [ignored](Outcome::Ignored), those that were dropped in flight, and those that were sent before
    /// the last probe, or before the limit was set. Whatever is returned is brought within
    /// the bounds; a limit that is no number changes nothing.
    ///
    /// Time may stand still or go backwards from one sample to the next. Nothing may panic on that.
    fn learn(&mut self, sample: &Sample, limit: f64, bounds: Bounds) -> Option<Change>;

    /// The latency of the server while it has little to do, as far as is known. Default: nothing is.
    fn baseline(&self) -> Option<Duration> {
        None
    }

    /// The probe that is under way, if one is. Default: there are none.
    ///
    /// To see how fast the server is with little to do. It begins when [`learn`](Self::learn) has
    /// returned, and is over at its end, whatever becomes of its calls: nobody is held back for longer. So
    /// the end must not move: an estimator that puts it off whenever it is asked lets nobody pass any more.
    fn probe(&self) -> Option<Probe> {
        None
    }

    /// The probe is over. There must be none afterwards. Default: nothing happens.
    fn end_probe(&mut self, now: Instant) {
        let _ = now;
    }

    /// The limit was set by somebody else, or by the server. Whatever was under way is over, and what
    /// was seen of the calls since the last change counts no more. Default: nothing changes.
    ///
    /// Nothing will be said of the calls that are in flight.
    fn reset(&mut self) {}

    /// Draws the same numbers in each run. Default: nothing is drawn.
    fn seed(&mut self, seed: u64) {
        let _ = seed;
    }
}

/// A call that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// When it was let in. If whoever asked was late to send it, the latency has that in it.
    pub started: Instant,
    /// When it was over: now.
    pub finished: Instant,
    /// How many were in flight when it was sent, with this one.
    pub in_flight: u32,
    /// What the server said: [`Succeeded`](Outcome::Succeeded), [`Throttled`](Outcome::Throttled) or
    /// [`Failed`](Outcome::Failed).
    pub outcome: Outcome,
}

impl Sample {
    /// A call that was sent as the `in_flight`-th at once.
    #[must_use]
    pub const fn new(
        started: Instant,
        finished: Instant,
        in_flight: u32,
        outcome: Outcome,
    ) -> Self {
        Self {
            started,
            finished,
            in_flight,
            outcome,
        }
    }

    /// How long it took. Zero if time went backwards.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.finished.saturating_duration_since(self.started)
    }
}

/// What the limit stays within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// The lowest limit; at least 1.
    pub min: u32,
    /// The highest limit, or what the server says that it is; at least `min`.
    pub max: u32,
}

impl Bounds {
    /// From `min` to `max`. A `min` of 0 counts as 1, and a `max` below `min` as `min`.
    #[must_use]
    pub fn new(min: u32, max: u32) -> Self {
        let min = min.max(1);
        Self {
            min,
            max: max.max(min),
        }
    }

    /// The nearest limit within; `max` if `min` is above it.
    #[must_use]
    pub fn clamp(&self, limit: f64) -> f64 {
        // Unlike `f64::clamp`, no panic if they were crossed.
        limit.max(f64::from(self.min)).min(f64::from(self.max))
    }

    /// A limit without its fraction.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "limits are within bounds that are whole, and the cast saturates"
    )]
    pub(crate) fn whole(limit: f64) -> u32 {
        limit as u32
    }
}

/// Another limit, and what for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The limit from now on. The fraction counts: see [`Congestion`](crate::Congestion).
    pub limit: f64,
    /// Why.
    pub cause: Cause,
}

impl Change {
    /// This limit, for this reason.
    #[must_use]
    pub const fn new(limit: f64, cause: Cause) -> Self {
        Self { limit, cause }
    }
}

/// A time in which only a few calls are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// Nobody is sent before. Then some are, if the limit has room, whatever is left over from before the
    /// probe; and others when those are over, not before what this instant is by then.
    pub resume_at: Instant,
    /// So many may be in flight that were sent during the probe. If it is 0, nobody is sent any more, and the
    /// probe is over as soon as its last call is.
    pub at_most: u32,
    /// From then on, the limit alone counts.
    pub ends_at: Instant,
}

impl Probe {
    /// Nobody until `resume_at`, then one at a time until `ends_at`.
    #[must_use]
    pub const fn new(resume_at: Instant, ends_at: Instant) -> Self {
        Self {
            resume_at,
            at_most: 1,
            ends_at,
        }
    }

    /// So many at a time; 0 for what is to be over with its last call.
    #[must_use]
    pub const fn at_most(mut self, calls: u32) -> Self {
        self.at_most = calls;
        self
    }
}

/// Why a limit was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The server has room: it is as fast as with little to do.
    Room,
    /// The server has slowed down.
    Slow,
    /// The server said: too much.
    Throttled,
    /// Calls failed: a timeout of the inner service, say.
    Failed,
    /// More was allowed than anybody used.
    Unused,
    /// All clients of the server probe it, and then find their limits anew.
    Probe,
    /// The server said how many it allows.
    Declared,
    /// Somebody set it.
    Set,
}

impl Cause {
    /// What a call that did not succeed lowers the limit for.
    pub(crate) fn of(outcome: Outcome) -> Self {
        if outcome == Outcome::Throttled {
            Self::Throttled
        } else {
            Self::Failed
        }
    }
}
