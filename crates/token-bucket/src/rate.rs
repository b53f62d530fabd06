use std::{fmt, time::Duration};

use tower_throttle_core::Invalid;

use crate::time::nanos;

/// So many requests per time.
///
/// `Rate::per_second(60)` is sixty requests in each second, never one in sixty seconds.
///
/// A rate is kept as the two numbers it was made of, and nothing is computed from a rounded interval:
/// 3 per second never become 3.000000003. What is due at a fraction of a nanosecond is due at the
/// next whole one.
///
/// # Equality
///
/// `Rate::per_minute(60)` and `Rate::per_second(1)` are equally fast, yet not equal: as a
/// [`SlidingWindow`](crate::SlidingWindow), the first lets sixty requests through at once. For the
/// same reason rates have no order. Compare [`as_per_second_f64`](Self::as_per_second_f64) where
/// only the speed counts.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower_throttle_token_bucket::Rate;
///
/// let rate = Rate::per(100, Duration::from_secs(10));
///
/// assert_eq!(rate.events(), 100);
/// assert_eq!(rate.as_per_second_f64(), 10.0);
/// assert_eq!(rate.to_string(), "100 per 10s");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    events: u32,
    nanos: u64,
}

const EVENTS: &str = "at least 1";
const PERIOD: &str = "longer than zero";

impl Rate {
    /// `events` requests per `period`.
    ///
    /// A period of more than `u64::MAX` nanoseconds (584 years) is taken as that long.
    ///
    /// # Panics
    ///
    /// If `events` or `period` is zero. Use [`try_per`](Self::try_per) for values from outside.
    #[must_use]
    pub const fn per(events: u32, period: Duration) -> Self {
        // The sentences of `Invalid`, which cannot be formatted here; a test compares them.
        assert!(events > 0, "events is 0, but must be at least 1");
        assert!(
            !period.is_zero(),
            "period is 0ns, but must be longer than zero"
        );
        Self {
            events,
            nanos: nanos(period),
        }
    }

    /// `events` requests per `period`, for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if `events` or `period` is zero.
    pub fn try_per(events: u32, period: Duration) -> Result<Self, Invalid> {
        if events == 0 {
            return Err(Invalid::new("events", events, EVENTS));
        }
        if period.is_zero() {
            return Err(Invalid::new("period", format_args!("{period:?}"), PERIOD));
        }
        Ok(Self::per(events, period))
    }

    /// `events` requests per second.
    ///
    /// # Panics
    ///
    /// If `events` is zero.
    #[must_use]
    pub const fn per_second(events: u32) -> Self {
        Self::per(events, Duration::from_secs(1))
    }

    /// `events` requests per minute.
    ///
    /// # Panics
    ///
    /// If `events` is zero.
    #[must_use]
    pub const fn per_minute(events: u32) -> Self {
        Self::per(events, Duration::from_secs(60))
    }

    /// `events` requests per hour.
    ///
    /// # Panics
    ///
    /// If `events` is zero.
    #[must_use]
    pub const fn per_hour(events: u32) -> Self {
        Self::per(events, Duration::from_secs(60 * 60))
    }

    /// How many requests in each [`period`](Self::period); at least 1.
    #[must_use]
    pub const fn events(self) -> u32 {
        self.events
    }

    /// The time in which [`events`](Self::events) requests may pass; longer than zero.
    #[must_use]
    pub const fn period(self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// Requests per second, rounded to the nearest `f64`.
    #[must_use]
    pub fn as_per_second_f64(self) -> f64 {
        f64::from(self.events) / self.period().as_secs_f64()
    }

    /// The period in nanoseconds.
    pub(crate) const fn nanos(self) -> u64 {
        self.nanos
    }
}

/// As in `10 per 1s`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {:?}", self.events, self.period())
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rate_reads_as_requests_per_time() {
        let cases = [
            (Rate::per_second(10), "10 per 1s"),
            (Rate::per_minute(60), "60 per 60s"),
            (Rate::per_hour(1), "1 per 3600s"),
            (Rate::per(5, Duration::from_millis(2500)), "5 per 2.5s"),
        ];
        for (rate, text) in cases {
            assert_eq!(rate.to_string(), text);
        }
    }

    #[test]
    fn a_rate_can_be_a_constant() {
        const RATE: Rate = Rate::per_minute(90);

        assert_eq!((RATE.events(), RATE.period()), (90, 60 * SECOND));
    }

    #[test]
    fn a_panic_says_what_the_error_says() {
        for (events, period) in [(0, SECOND), (1, Duration::ZERO)] {
            let panic = catch_unwind(|| Rate::per(events, period)).unwrap_err();
            let error = Rate::try_per(events, period).unwrap_err();

            assert_eq!(**panic.downcast_ref::<&str>().unwrap(), error.to_string());
        }
    }

    #[test]
    fn a_period_beyond_584_years_is_584_years() {
        let rate = Rate::per(1, Duration::MAX);

        assert_eq!(rate.period(), Duration::from_nanos(u64::MAX));
        assert!(rate.as_per_second_f64() > 0.0);
    }

    #[test]
    fn equally_fast_is_not_equal() {
        assert_ne!(Rate::per_minute(60), Rate::per_second(1));
    }
}
