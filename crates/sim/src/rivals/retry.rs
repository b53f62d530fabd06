//! How others try again after a refusal.

use std::time::Duration;

/// Decides, after each refusal, how long to wait before the next attempt.
pub trait Habit: Send {
    /// How long to wait after attempt `attempt`, counted from 1, was refused; `None` to give up.
    ///
    /// `unit` is a random number in `[0, 1)`.
    fn after(&mut self, attempt: u32, retry_after: Option<Duration>, unit: f64)
    -> Option<Duration>;

    /// A request was served at attempt `attempt`.
    fn succeeded(&mut self, attempt: u32) {
        let _ = attempt;
    }
}

/// What most clients do: doubling waits, half of each at random, and never before the Retry-After.
///
/// By default 1 s · 2ⁱ for up to 5 retries, as the figures that this suite compares itself with were
/// made.
#[derive(Debug, Clone, Copy)]
pub struct Doubling {
    /// How often it tries again.
    pub max_retries: u32,
    /// What the first wait is made of.
    pub base: Duration,
}

impl Default for Doubling {
    fn default() -> Self {
        Self {
            max_retries: 5,
            base: Duration::from_secs(1),
        }
    }
}

impl Habit for Doubling {
    fn after(
        &mut self,
        attempt: u32,
        retry_after: Option<Duration>,
        unit: f64,
    ) -> Option<Duration> {
        let wait = times(doubled(self.base, attempt), 0.5 + 0.5 * unit);
        let wait = retry_after.map_or(wait, |after| after.max(wait));
        (attempt <= self.max_retries).then_some(wait)
    }
}

/// The stkai SDK: 3 retries, 0.5 s · 2ⁱ or the Retry-After if that is longer, ±10 %.
///
/// So it comes before the Retry-After in half of the cases; and it doesn't believe one of more than a
/// minute.
///
/// Source: stkai-sdk-python, `src/stkai/_retry.py`, read for this; the ±10 % is `_utils.py`'s.
#[derive(Debug, Clone, Copy, Default)]
pub struct StkaiRetry;

impl StkaiRetry {
    const MAX_RETRIES: u32 = 3;
    const BASE: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(60);

    fn unjittered(attempt: u32, retry_after: Option<Duration>) -> Duration {
        let wait = doubled(Self::BASE, attempt);
        let believed = retry_after.filter(|&after| after <= Self::LONGEST);
        believed.map_or(wait, |after| after.max(wait))
    }
}

impl Habit for StkaiRetry {
    fn after(
        &mut self,
        attempt: u32,
        retry_after: Option<Duration>,
        unit: f64,
    ) -> Option<Duration> {
        let wait = times(Self::unjittered(attempt, retry_after), 0.9 + 0.2 * unit);
        (attempt <= Self::MAX_RETRIES).then_some(wait)
    }
}

/// The AWS SDKs: anything up to 1 s · 2ⁱ, at most 20 s, while the retry quota lasts.
///
/// The quota is 500 tokens that all requests of a client share. A retry takes 5, and brings them back
/// if it succeeds; a success without a retry brings back one. A Retry-After is not looked at (since
/// 2026 only `x-amz-retry-after`, and at most 5 s beyond the wait).
///
/// By default 2 retries, that is 3 attempts.
///
/// Source: botocore, `botocore/retries/standard.py` (`ExponentialBackoff`, `RetryQuotaChecker`) and
/// `quota.py`: the waits are those of all throttled requests, before and after the changes of 2026.
#[derive(Debug, Clone, Copy)]
pub struct AwsRetry {
    max_retries: u32,
    tokens: u32,
}

impl AwsRetry {
    const QUOTA: u32 = 500;
    const COST: u32 = 5;
    const REWARD: u32 = 1;
    const LONGEST: Duration = Duration::from_secs(20);

    /// With another number of retries.
    #[must_use]
    pub fn new(max_retries: u32) -> Self {
        Self {
            max_retries,
            tokens: Self::QUOTA,
        }
    }
}

impl Default for AwsRetry {
    fn default() -> Self {
        Self::new(2)
    }
}

impl Habit for AwsRetry {
    fn after(
        &mut self,
        attempt: u32,
        _retry_after: Option<Duration>,
        unit: f64,
    ) -> Option<Duration> {
        if attempt > self.max_retries {
            return None;
        }
        self.tokens = self.tokens.checked_sub(Self::COST)?;
        let longest = doubled(Duration::from_secs(1), attempt).min(Self::LONGEST);
        Some(times(longest, unit))
    }

    fn succeeded(&mut self, attempt: u32) {
        let back = if attempt > 1 {
            Self::COST
        } else {
            Self::REWARD
        };
        self.tokens = (self.tokens + back).min(Self::QUOTA);
    }
}

/// `base · 2ⁱ`, i being 0 after the first attempt.
fn doubled(base: Duration, attempt: u32) -> Duration {
    let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
    base.saturating_mul(factor)
}

fn times(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn doubling_waits_spread_over_their_upper_half() {
        let mut habit = Doubling::default();
        for (attempt, longest) in (1..).zip([1, 2, 4, 8, 16]) {
            let longest = SECOND * longest;
            assert_eq!(habit.after(attempt, None, 0.0), Some(longest / 2));
            assert_eq!(habit.after(attempt, None, 1.0), Some(longest));
        }
        assert_eq!(habit.after(6, None, 0.5), None);
    }

    #[test]
    fn doubling_never_comes_before_the_retry_after() {
        let mut habit = Doubling::default();
        assert_eq!(habit.after(1, Some(SECOND * 7), 0.9), Some(SECOND * 7));
        assert_eq!(habit.after(5, Some(SECOND * 7), 0.0), Some(SECOND * 8));
    }

    // The vectors `retry-wait-*` recorded from the SDK, for 429s.
    #[test]
    fn stkai_waits_as_recorded() {
        for (attempt, retry_after, wait) in [
            (1, None, 0.5),
            (3, None, 2.0),
            (8, None, 64.0),
            (1, Some(10), 10.0),
            (1, Some(15), 15.0),
            (5, Some(5), 8.0),
            (1, Some(60), 60.0),
            (1, Some(61), 0.5),
            (1, Some(3600), 0.5),
        ] {
            let retry_after = retry_after.map(Duration::from_secs);
            let expected = Duration::from_secs_f64(wait);
            assert_eq!(StkaiRetry::unjittered(attempt, retry_after), expected);
        }
    }

    #[test]
    fn stkai_comes_before_the_retry_after_in_half_of_the_cases() {
        let retry_after = Some(SECOND * 5);
        assert!(StkaiRetry.after(1, retry_after, 0.49) < retry_after);
        assert!(StkaiRetry.after(1, retry_after, 0.51) > retry_after);
    }

    #[test]
    fn stkai_gives_up_after_three_retries() {
        assert!(StkaiRetry.after(3, None, 0.0).is_some());
        assert!(StkaiRetry.after(4, None, 0.0).is_none());
    }

    #[test]
    fn aws_waits_for_anything_up_to_the_doubled_second() {
        let mut habit = AwsRetry::new(10);
        assert_eq!(habit.after(1, Some(SECOND * 60), 0.5), Some(SECOND / 2));
        assert_eq!(habit.after(3, None, 1.0), Some(SECOND * 4));
        assert_eq!(habit.after(9, None, 1.0), Some(SECOND * 20));
    }

    #[test]
    fn aws_retries_a_hundred_times_and_then_earns_each_retry() {
        let mut habit = AwsRetry::default();
        let retries = (0..200).filter(|_| habit.after(1, None, 0.5).is_some());
        assert_eq!(retries.count(), 100);
        (0..4).for_each(|_| habit.succeeded(1));
        assert_eq!(habit.after(1, None, 0.5), None);
        habit.succeeded(1);
        assert!(habit.after(1, None, 0.5).is_some());
        habit.succeeded(2);
        assert!(habit.after(1, None, 0.5).is_some());
    }

    #[test]
    fn no_attempt_is_too_late_to_be_counted() {
        let mut habits: [Box<dyn Habit>; 3] = [
            Box::new(Doubling {
                max_retries: u32::MAX,
                base: Duration::MAX,
            }),
            Box::new(StkaiRetry),
            Box::new(AwsRetry::new(u32::MAX)),
        ];
        for habit in &mut habits {
            habit.after(0, Some(Duration::MAX), 1.0);
            habit.after(u32::MAX, Some(Duration::MAX), 1.0);
        }
    }
}
