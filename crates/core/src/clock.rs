//! The one place that reads a clock.

use std::time::{Duration, Instant};

/// The present, by the clock that the adapters use.
///
/// This is tokio's clock, so `tokio::time::pause` stops it and `advance` moves it. Outside a runtime it
/// is the system's monotonic clock.
/// Use it to build a limiter that must be told when it starts.
#[must_use]
pub fn now() -> Instant {
    imp::now()
}

/// `instant + duration`, or an instant far ahead if that can't be represented.
pub(crate) fn saturating_add(instant: Instant, duration: Duration) -> Instant {
    let sum = instant.checked_add(duration);
    sum.unwrap_or_else(|| far_after(instant))
}

/// About thirty years after `instant`.
pub(crate) fn far_after(instant: Instant) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    instant.checked_add(FAR).unwrap_or(instant)
}

#[cfg(not(throttle_loom))]
mod imp {
    use std::time::Instant;

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads a clock"
    )]
    pub(super) fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// Under a model checker time is a number that the model sets, behind a lock of the model's, so that
/// it tries every order of reading and setting it.
#[cfg(throttle_loom)]
pub(crate) mod imp {
    use std::{
        sync::OnceLock,
        time::{Duration, Instant},
    };

    use crate::sync::{Mutex, lock};

    loom::lazy_static! {
        static ref SINCE_ORIGIN: Mutex<Duration> = Mutex::new(Duration::ZERO);
    }

    #[expect(clippy::disallowed_methods, reason = "the origin of the model's time")]
    pub(crate) fn now() -> Instant {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        *ORIGIN.get_or_init(Instant::now) + *lock(&SINCE_ORIGIN)
    }

    /// Sets the model's time.
    pub fn set(since_origin: Duration) {
        *lock(&SINCE_ORIGIN) = since_origin;
    }
}
