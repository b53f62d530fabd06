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
pub trait Estimator: fmt::Debug + Send + 'static {
    /// Learns from a call that is over; returns the limit from now on, if that is another one.
    ///
    /// Calls that say nothing about load are [skipped](Self::skip): those that were
    /// [ignored](Outcome::Ignored), and those that were dropped in flight. Whatever is returned is
    /// brought within the bounds; a limit that is no number changes nothing.
    ///
    /// Time may stand still or go backwards from one sample to the next. Nothing may panic on that.
    fn learn(&mut self, sample: &Sample, limit: f64, bounds: Bounds) -> Option<Change>;

    /// A call is over that says nothing about load. Default: nothing changes.
    fn skip(&mut self, now: Instant, limit: f64) -> Option<Change> {
        let _ = (now, limit);
        None
    }

    /// The latency of the server while it has little to do, as far as is known. Default: nothing is.
    fn baseline(&self) -> Option<Duration> {
        None
    }

    /// Nobody shall be sent before this instant; `None` if there is no such wish. Default: `None`.
    ///
    /// To see how fast the server is with nothing to do.
    fn resume_at(&self) -> Option<Instant> {
        None
    }

    /// Until when at the latest the limit is lowered for a probe, and to what it goes back then; `None`
    /// if it is what the server bears, as far as is known. Default: `None`.
    ///
    /// It makes sure that nobody is held back for ever by a probe that waits for a call that is never
    /// over. While there is one, the limit may be below the lowest; and calls that were sent before it
    /// began are [skipped](Self::skip).
    fn relief(&self) -> Option<Relief> {
        None
    }

    /// Gives a probe up: somebody is let in by the [`relief`](Self::relief). Returns the limit from now
    /// on. There must be no relief afterwards. Default: nothing changes.
    fn relieve(&mut self, now: Instant) -> Option<Change> {
        let _ = now;
        None
    }

    /// The limit was set by somebody else, or by the server. Whatever was under way is over, and what
    /// was seen of the calls since the last change counts no more. Default: nothing changes.
    ///
    /// Calls that are in flight will be [skipped](Self::skip).
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

/// The end of a probe that waits for what doesn't come.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Relief {
    /// From then on, the calls that were sent before the probe hold up nobody, as far as there is room
    /// below `limit`.
    pub overdue: Instant,
    /// From then on, the limit is `limit`.
    pub at: Instant,
    /// The limit without the probe.
    pub limit: f64,
}

impl Relief {
    /// Goes back to `limit` at this instant; doesn't wait longer than until `overdue` for the calls
    /// that were sent before.
    #[must_use]
    pub const fn new(overdue: Instant, at: Instant, limit: f64) -> Self {
        Self { overdue, at, limit }
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
    /// Calls failed, or took too long to be answered at all.
    Failed,
    /// More was allowed than anybody used.
    Unused,
    /// Only to find out how fast the server is with little to do, or after having found out.
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
