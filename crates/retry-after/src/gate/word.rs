use std::time::Duration;

use tower_throttle_core::Outcome;

/// What a response says to a [`Gate`](crate::Gate), and to a limiter beside it.
///
/// [`Listen`](crate::Listen) makes it of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// What the response means to a limiter that adapts.
    pub outcome: Outcome,
    /// For how long everybody shall wait, from now; `None` if it doesn't say so.
    ///
    /// Of a response that says *too much*, but not for how long, it is the
    /// [`default_pause`](crate::Listen::default_pause). A limiter that finds its own answer to that sets
    /// it to zero, and is told of such a response without a pause, and else of what the server asked for.
    pub pause: Option<Duration>,
    /// What it says of the requests in flight.
    pub concurrency: Option<Concurrency>,
}

/// What a response says of the requests in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// So many are allowed: the server declares it.
    AtMost(u32),
    /// There are too many, of however many are allowed: see
    /// [`Cause::Concurrency`](crate::Cause::Concurrency).
    TooMany,
}

impl Word {
    /// This outcome, and for how long everybody shall wait.
    #[must_use]
    pub const fn new(outcome: Outcome, pause: Option<Duration>) -> Self {
        Self {
            outcome,
            pause,
            concurrency: None,
        }
    }

    /// A request was turned away.
    pub(super) const fn refused(pause: Option<Duration>) -> Self {
        Self::new(Outcome::Throttled, pause)
    }

    /// Nobody needs to wait because of this.
    pub(super) const fn silent(outcome: Outcome) -> Self {
        Self::new(outcome, None)
    }
}

impl From<Word> for Outcome {
    fn from(word: Word) -> Self {
        word.outcome
    }
}

/// A limiter that learns nothing.
impl From<Word> for () {
    fn from(_word: Word) {}
}

/// Limiters that learn different things from one response.
impl<A: From<Word>, B: From<Word>> From<Word> for (A, B) {
    fn from(word: Word) -> Self {
        (word.into(), word.into())
    }
}
