use std::{
    fmt,
    time::{Duration, Instant},
};

use tower_throttle_core::{Invalid, Outcome};
use tower_throttle_token_bucket::Rate;

/// Decides how fast requests may leave, by what became of the earlier ones.
///
/// A law is a plain state machine, without a clock, a lock or a task: it is told of each send and of
/// each end, and asked for the rate. [`Paced`](crate::Paced) makes requests keep to it.
///
/// Time may stand still or go backwards between calls, and an end may come late, or never. Nothing
/// panics on that.
pub trait Law: Clone + fmt::Debug + Send + 'static {
    /// Starts: what follows is measured from now.
    fn begin(&mut self, now: Instant);

    /// How many tokens per second may leave at `now`.
    ///
    /// It is asked after each send and each end, and holds until the next. A rate that grows with
    /// time alone is felt from send to send.
    fn rate(&self, now: Instant) -> f64;

    /// The most tokens that may leave at once after a pause. Default: 1, evenly spaced.
    fn burst(&self) -> u32 {
        1
    }

    /// Nobody leaves before this instant. Default: `None`.
    fn paused_until(&self) -> Option<Instant> {
        None
    }

    /// Pauses that a server asks for and that are shorter than this are the law's own affair: the gate
    /// beside it does not close for them. Default: zero, the gate obeys them all.
    fn min_pause(&self) -> Duration {
        Duration::ZERO
    }

    /// Forgets a pause.
    fn resume(&mut self) {}

    /// A request leaves.
    fn sent(&mut self, sent: Sent);

    /// A request that left is taken back: it was never sent.
    fn unsent(&mut self, sent: Sent);

    /// The end of a request that was sent and answered, or that failed. One that was dropped in
    /// flight has no end: it was sent, and that is all there is to know.
    fn ended(&mut self, ended: Ended);

    /// What has happened since it was last asked that somebody should hear of. Default: nothing.
    fn change(&mut self) -> Option<Change> {
        None
    }
}

/// A [`Law`] that reckons with the window of a server: its [`PacedLayer`](crate::PacedLayer) has the
/// setters `window`, `min_rate` and `seed`.
pub trait WindowedLaw: Law {
    /// With another window.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if the law can't have such a one.
    fn with_window(self, window: Duration) -> Result<Self, Invalid>;

    /// With another least rate.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if the law can't have such a one.
    fn with_min_rate(self, rate: Rate) -> Result<Self, Invalid>;

    /// With other random numbers, the same in each run.
    #[must_use]
    fn with_seed(self, seed: u64) -> Self;
}

/// A request that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// What it costs.
    pub tokens: u32,
}

/// The end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The request.
    pub sent: Sent,
    /// When it ended.
    pub now: Instant,
    /// What the response means.
    pub outcome: Outcome,
    /// For how long the server asks everybody to wait, from now.
    pub retry_after: Option<Duration>,
}

/// A rate that has changed, in a way that somebody might want to hear of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Tokens per second before.
    pub old: f64,
    /// Tokens per second from now on.
    pub new: f64,
    /// Why.
    pub cause: Cause,
    /// For how long nobody leaves.
    pub pause: Option<Duration>,
}

/// Why a rate has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The server turned a request away, after a time in which it did not.
    Throttled,
    /// It turned away one that was sent after the rate was cut.
    ThrottledAgain,
    /// It accepts requests again.
    Accepted,
}

impl Cause {
    /// As in the event `rate_adapted`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::ThrottledAgain => "throttled again",
            Self::Accepted => "accepted",
        }
    }
}

impl Change {
    /// Tells `tracing`.
    pub(crate) fn tell(self, name: Option<&str>) {
        let Self { old, new, .. } = self;
        let cause = self.cause.as_str();
        tracing::info!(name, old, new, cause, pause = ?self.pause, "rate_adapted");
    }
}
