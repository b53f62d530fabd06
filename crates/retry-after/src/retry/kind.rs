use std::{error::Error, io, iter::successors};

use tower_throttle_core::{BoxError, Outcome, Rejected};

/// What kind of failure it was: it decides on the backoff and on the price of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something broke.
    Transient,
    /// The server said: too much.
    Throttled,
    /// A limiter of our own let it not even out.
    Refused,
}

impl Kind {
    pub(super) fn of<R>(outcome: Outcome, result: &Result<R, BoxError>) -> Self {
        match result {
            Err(error) if rejected(error).is_some() => Self::Refused,
            _ if outcome == Outcome::Throttled => Self::Throttled,
            _ => Self::Transient,
        }
    }
}

/// The error and what caused it, outermost first.
pub(super) fn chain(error: &BoxError) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let outermost: &(dyn Error + 'static) = &**error;
    successors(Some(outermost), |&error| error.source())
}

pub(super) fn rejected(error: &BoxError) -> Option<&Rejected> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// Whether this error can only come from a limiter of ours, or from before there was a connection.
///
/// No more than two kinds: an established connection may break with *host unreachable* or *timed out*
/// as well, and a name that doesn't resolve or a handshake that fails has no kind of its own.
pub(super) fn is_unsent(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused};
    let kind = error.downcast_ref().map(io::Error::kind);
    error.is::<Rejected>() || matches!(kind, Some(ConnectionRefused | AddrNotAvailable))
}
