use std::time::{Duration, Instant};

use tower_throttle_core::{LAG, Limiter, Pace, Snapshot, Wait};

/// A bucket of `burst` tokens, one more every `every`. Whole nanoseconds: nothing is rounded.
///
/// `LAG_MS` is how far back grants may be dated.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<const LAG_MS: u64 = 10> {
    every: Duration,
    burst: u32,
    /// When the bucket is full again.
    full_at: Instant,
}

impl Tokens {
    pub(crate) fn new(burst: u32, every: Duration) -> Self {
        assert_eq!(LAG, Duration::from_millis(10));
        Self::with_lag(burst, every)
    }
}

impl<const LAG_MS: u64> Tokens<LAG_MS> {
    pub(crate) fn with_lag(burst: u32, every: Duration) -> Self {
        Self {
            every,
            burst,
            full_at: tower_throttle_core::now(),
        }
    }

    /// Changes the rate, and keeps what is in the bucket.
    pub(crate) fn set_every(&mut self, every: Duration, now: Instant) {
        let missing = self.full_at.saturating_duration_since(now).as_nanos();
        let missing = missing * every.as_nanos() / self.every.as_nanos();
        self.full_at = now + Duration::from_nanos(u64::try_from(missing).unwrap());
        self.every = every;
    }

    pub(crate) fn set_burst(&mut self, burst: u32) {
        self.burst = burst;
    }

    /// Whole tokens in the bucket, negative while in debt.
    pub(crate) fn level(&self, now: Instant) -> i64 {
        let missing = self.full_at.saturating_duration_since(now).as_nanos();
        let missing = missing.div_ceil(self.every.as_nanos());
        i64::from(self.burst) - i64::try_from(missing).unwrap()
    }

    fn time_for(&self, tokens: u64) -> Duration {
        let nanos = self.every.as_nanos() * u128::from(tokens);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn ready_at(&self, full_at: Instant, cost: u32, now: Instant) -> Wait {
        if cost > self.burst {
            return Wait::Never;
        }
        let spare = self.time_for(u64::from(self.burst - cost));
        match full_at.checked_sub(spare) {
            Some(at) => Wait::until(at, now),
            None => Wait::Now,
        }
    }
}

impl<const LAG_MS: u64> Limiter for Tokens<LAG_MS> {
    type Cost = u32;
    type Permit = u32;
    type Feedback = ();
    const COMPLETES: bool = false;
    const MAX_LAG: Duration = Duration::from_millis(LAG_MS);

    fn check(&self, cost: &u32, now: Instant) -> Wait {
        self.ready_at(self.full_at, *cost, now)
    }

    fn take(&mut self, cost: u32, at: Instant) -> u32 {
        self.full_at = self.full_at.max(at) + self.time_for(cost.into());
        cost
    }

    fn cancel(&mut self, cost: u32, _now: Instant) {
        self.full_at -= self.time_for(cost.into());
    }

    /// What lies on the shelf counts as if it were in the bucket.
    fn lapse(&mut self, cost: u32, shelved: u64, now: Instant) {
        let back = self.full_at - self.time_for(cost.into());
        let no_earlier = now + self.time_for(shelved);
        self.full_at = self.full_at.min(back.max(no_earlier));
    }

    fn predict(&self, ahead: u64, cost: &u32, now: Instant) -> Wait {
        let full_at = self.full_at.max(now) + self.time_for(ahead);
        self.ready_at(full_at, *cost, now)
    }

    fn pace(&self) -> Option<Pace> {
        Some(Pace {
            full_at: self.full_at,
            interval: self.every,
            burst: self.burst,
        })
    }

    fn passed(&mut self, full_at: Instant) {
        self.full_at = full_at;
    }

    fn permit(cost: u32) -> Option<u32> {
        Some(cost)
    }

    fn describe(&self, snapshot: &mut Snapshot, now: Instant) {
        snapshot.level = Some(self.level(now));
        snapshot.burst = Some(self.burst);
    }
}
