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
}

impl Word {
    /// A request was turned away.
    pub(super) const fn refused(pause: Option<Duration>) -> Self {
        Self {
            outcome: Outcome::Throttled,
            pause,
        }
    }

    /// Nobody needs to wait because of this.
    pub(super) const fn silent(outcome: Outcome) -> Self {
        Self {
            outcome,
            pause: None,
        }
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
