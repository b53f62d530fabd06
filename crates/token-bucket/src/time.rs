//! Instants that may lie beyond what a clock can represent.

use std::time::{Duration, Instant};

/// Stands for an instant that doesn't exist: thirty years, as in tokio's timer.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The instant `nanos` after `start`.
///
/// A wait of more than `u64::MAX` ns (584 years) counts as that long. An instant that the clock
/// cannot represent becomes one in thirty years, so that whoever waits for it asks again then.
pub(crate) fn later(start: Instant, nanos: u128) -> Instant {
    let wait = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    let far = || start.checked_add(FAR);
    start.checked_add(wait).or_else(far).unwrap_or(start)
}

/// A duration in nanoseconds; `u64::MAX` (584 years) if it is longer.
pub(crate) const fn nanos(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1_000_000_000);
    whole.saturating_add(duration.subsec_nanos() as u64)
}
