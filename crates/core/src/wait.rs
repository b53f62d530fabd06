use std::time::{Duration, Instant};

use crate::Why;

/// A bucket of tokens, as long as nothing but requests changes it.
///
/// A request of `c` tokens passes at `t` if the bucket, which was to be full at `full_at`, will then
/// be full at `max(full_at, t) + c · interval` and this is at most `burst · interval` after `t`. (The
/// generic cell rate algorithm, as virtual scheduling: ITU-T I.371.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// When the bucket will be full, if nobody takes anything.
    pub full_at: Instant,
    /// How long a token takes to come. Round up.
    pub interval: Duration,
    /// How many tokens the bucket holds.
    pub burst: u32,
}

/// Places for requests in flight, as long as nothing but requests that pass changes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many more may pass.
    pub free: u32,
    /// How many are in flight.
    pub in_flight: u32,
    /// Tells requests that pass now from those that passed before a change.
    pub era: u64,
}

/// When a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// At once.
    Now,
    /// At this instant, if nothing changes until then.
    Until(Instant),
    /// When a permit comes back, or a setting changes: nobody knows when.
    Changed,
    /// Not now, and it is not worth waiting: whoever asks before this instant is refused, and told
    /// to come back then.
    Refuse(Instant),
    /// Not with these settings, however long it waits.
    Never,
}

impl Wait {
    /// `Now` if `at` is not after `now`, else `Until(at)`.
    #[must_use]
    pub fn until(at: Instant, now: Instant) -> Self {
        if at <= now {
            Self::Now
        } else {
            Self::Until(at)
        }
    }

    /// The longer of two waits: what a request must wait for that needs both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Never, _) | (_, Self::Never) => Self::Never,
            (Self::Refuse(a), Self::Refuse(b)) => Self::Refuse(a.max(b)),
            (Self::Refuse(at), _) | (_, Self::Refuse(at)) => Self::Refuse(at),
            (Self::Changed, _) | (_, Self::Changed) => Self::Changed,
            (Self::Until(a), Self::Until(b)) => Self::Until(a.max(b)),
            (Self::Now, wait) | (wait, Self::Now) => wait,
        }
    }

    /// When it is worth asking again, if that is known.
    pub(crate) fn at(self) -> Option<Instant> {
        match self {
            Self::Until(at) | Self::Refuse(at) => Some(at),
            Self::Now | Self::Changed | Self::Never => None,
        }
    }

    /// Why a request is refused that is told this, if it is.
    pub(crate) fn refusal(self) -> Option<Why> {
        match self {
            Self::Refuse(_) => Some(Why::Closed),
            Self::Never => Some(Why::Never),
            Self::Now | Self::Until(_) | Self::Changed => None,
        }
    }

    /// The longer of two predictions: what one limiter cannot tell doesn't hide what the other can.
    pub(crate) fn and_if_known(self, other: Self) -> Self {
        match (self, other) {
            (Self::Changed, known) | (known, Self::Changed) => known,
            (a, b) => a.and(b),
        }
    }
}
