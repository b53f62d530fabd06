//! Factors become times here, and nowhere else.

use std::time::{Duration, Instant};

use tower_throttle_token_bucket::Rate;

/// Longer times count as this one, so that every sum can be represented. Tokio's own "far future".
pub(crate) const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// A token per nanosecond: no clock tells more apart.
pub(crate) const FASTEST: f64 = 1e9;

/// `seconds`, at most [`LONGEST`]; what is no time at all counts as that long.
pub(crate) fn seconds(seconds: f64) -> Duration {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST);
    duration.min(LONGEST)
}

/// What a token takes at this many per second, rounded up.
pub(crate) fn interval(rate: f64) -> Duration {
    let exact = rate.recip();
    let rounded = seconds(exact);
    if rounded.as_secs_f64() < exact && rounded < LONGEST {
        rounded + Duration::from_nanos(1)
    } else {
        rounded.max(Duration::from_nanos(1))
    }
}

/// As a [`Rate`], never more.
pub(crate) fn rate(per_second: f64) -> Rate {
    Rate::per(1, interval(per_second))
}

pub(crate) fn later(instant: Instant, duration: Duration) -> Instant {
    instant
        .checked_add(duration.min(LONGEST))
        .unwrap_or(instant)
}
