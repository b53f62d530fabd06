use std::time::{Duration, Instant};

use tower_throttle_core::Wait;

/// What is missing from a token counts as there: a wait is a whole number of nanoseconds.
const ROUNDING: f64 = 1e-9;

/// A bucket of tokens in floating point, as those keep it who change its rate with each response.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    capacity: f64,
    per_second: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(tokens: f64, capacity: f64, per_second: f64, now: Instant) -> Self {
        Self {
            tokens,
            capacity,
            per_second,
            at: now,
        }
    }

    /// Changes the size and the rate. The time since the last [`refill`](Self::refill) will count at
    /// the new rate.
    pub(super) fn resize(&mut self, capacity: f64, per_second: f64) {
        self.capacity = capacity;
        self.per_second = per_second;
        self.tokens = self.tokens.min(capacity);
    }

    pub(super) fn refill(&mut self, now: Instant) {
        self.tokens = self.tokens(now);
        self.at = self.at.max(now);
    }

    pub(super) fn take(&mut self, at: Instant) {
        self.refill(at);
        self.tokens -= 1.0;
    }

    pub(super) fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.capacity);
    }

    pub(super) fn tokens(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.tokens + elapsed * self.per_second).min(self.capacity)
    }

    pub(super) fn per_second(&self) -> f64 {
        self.per_second
    }

    /// How long a token takes to come; zero if it is there.
    pub(super) fn until_one(&self, now: Instant) -> Duration {
        let missing = 1.0 - self.tokens(now);
        if missing <= ROUNDING {
            return Duration::ZERO;
        }
        let wait = Duration::try_from_secs_f64(missing / self.per_second);
        wait.map_or(Duration::MAX, |wait| {
            wait.saturating_add(Duration::from_nanos(1))
        })
    }

    /// When a token is there. A bucket that holds less than one never has one.
    pub(super) fn wait(&self, now: Instant) -> Wait {
        match self.until_one(now) {
            Duration::ZERO => Wait::Now,
            _ if self.capacity < 1.0 - ROUNDING => Wait::Changed,
            wait => now
                .max(self.at)
                .checked_add(wait)
                .map_or(Wait::Changed, Wait::Until),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rivals::testing::start;

    proptest! {
        #[test]
        fn a_token_is_there_when_it_was_said_to_be(
            tokens in 0.0..1.0,
            per_second in 1e-3..1e6,
            later in 0_u64..10_000_000_000,
        ) {
            let t0 = start();
            let now = t0 + Duration::from_nanos(later);
            let mut bucket = Bucket::new(tokens, 5.0, per_second, t0);
            if let Wait::Until(due) = bucket.wait(now) {
                prop_assert!(due > now);
                prop_assert_eq!(bucket.wait(due), Wait::Now);
                bucket.refill(now);
                prop_assert_eq!(bucket.wait(due), Wait::Now);
            }
        }
    }

    #[test]
    fn a_bucket_for_less_than_a_token_never_has_one() {
        let t0 = start();
        let bucket = Bucket::new(0.95, 0.95, 1.0, t0);
        assert_eq!(bucket.wait(t0 + Duration::from_secs(100)), Wait::Changed);
    }

    #[test]
    fn time_that_goes_backwards_changes_nothing() {
        let t0 = start() + Duration::from_secs(10);
        let mut bucket = Bucket::new(0.0, 1.0, 1.0, t0);
        bucket.refill(t0 - Duration::from_secs(5));
        assert_eq!(bucket.wait(t0 + Duration::from_secs(1)), Wait::Now);
        assert_ne!(bucket.wait(t0 + Duration::from_millis(999)), Wait::Now);
    }
}
