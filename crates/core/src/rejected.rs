use std::{error::Error, fmt, sync::Arc, time::Duration};

use crate::Snapshot;

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// It would have waited, or has waited, for longer than `max_wait`.
    TooLong,
    /// `max_waiting` requests were already in line.
    Full,
    /// It asks for more than the limiter can ever give.
    Never,
    /// Nobody passes for now, and for longer than is worth waiting.
    Closed,
}

/// The error of a request that a limiter refused.
///
/// The request was not sent, so it is safe to repeat: [`is_retryable`](Self::is_retryable), once
/// [`retry_after`](Self::retry_after) is over. The adapters return it as a boxed error:
///
/// ```
/// # use tower_throttle_core::{BoxError, Rejected};
/// fn come_back_in(error: &BoxError) -> Option<std::time::Duration> {
///     error.downcast_ref::<Rejected>()?.retry_after()
/// }
/// ```
#[derive(Clone, PartialEq)]
pub struct Rejected(Box<Details>);

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Details {
    pub(crate) why: Why,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) waited: Duration,
    pub(crate) max_wait: Option<Duration>,
    pub(crate) snapshot: Snapshot,
}

impl Rejected {
    pub(crate) fn new(details: Details) -> Self {
        Self(Box::new(details))
    }

    /// Why it was refused.
    #[must_use]
    pub fn why(&self) -> Why {
        self.0.why
    }

    /// The name of the limiter that refused it, if it was given one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// After how long the same request would be let through, as things stood; `None` if nobody
    /// knows, or if it never would.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How long it had waited. Zero if it was refused on arrival.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.0.waited
    }

    /// The longest that a request may wait, if there is such a limit.
    #[must_use]
    pub fn max_wait(&self) -> Option<Duration> {
        self.0.max_wait
    }

    /// What the limiter looked like.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.0.snapshot
    }

    /// Whether the same request may succeed later: not if it asks for more than there ever is.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.why != Why::Never
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("request refused")?;
        if let Some(name) = &self.0.name {
            write!(f, " by {name}")?;
        }
        match (self.0.why, self.0.max_wait) {
            (Why::Full, _) => write!(f, ": {} already wait", self.0.snapshot.waiting)?,
            (Why::Never, _) => f.write_str(": it costs more than the limit can ever allow")?,
            (Why::Closed, _) => f.write_str(": nobody passes for now")?,
            (Why::TooLong, Some(max)) => write!(f, ": it may wait for {max:?} at most")?,
            (Why::TooLong, None) => f.write_str(": it would wait for too long")?,
        }
        match self.0.retry_after {
            Some(wait) => write!(f, ", and could pass in {wait:?}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Error for Rejected {}
