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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_never_comes_out_too_short() {
        for rate in [1.0 / 3.0, 3.0, 7.0, 333.3, 99_999.0] {
            assert!(interval(rate).as_secs_f64() * rate >= 1.0 - f64::EPSILON);
        }
        assert_eq!(interval(100.0), Duration::from_millis(10));
    }

    #[test]
    fn no_factor_makes_a_time_that_cannot_be_represented() {
        for factor in [
            0.0,
            -1.0,
            f64::NAN,
            f64::INFINITY,
            f64::MAX,
            f64::MIN_POSITIVE,
        ] {
            assert!(seconds(factor) <= LONGEST);
            assert!(!interval(factor).is_zero() && interval(factor) <= LONGEST);
        }
    }
}
