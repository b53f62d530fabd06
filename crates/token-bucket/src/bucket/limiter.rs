use std::time::{Duration, Instant};

use tower_throttle_core::{Limiter, Pace, Snapshot, Wait};

use super::{OverBurst, TokenBucket};
use crate::time::{later, nanos};

/// In nanoseconds.
const CENTURY: u128 = 100 * 365 * 24 * 60 * 60 * 1_000_000_000;

/// Tokens that were taken from a [`TokenBucket`].
#[derive(Debug, PartialEq, Eq)]
pub struct TokenPermit(u32);

impl TokenPermit {
    /// How many tokens were taken.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.0
    }
}

impl Limiter for TokenBucket {
    type Cost = u32;
    type Permit = TokenPermit;
    type Feedback = ();

    const COMPLETES: bool = false;

    #[inline]
    fn check(&self, cost: &u32, now: Instant) -> Wait {
        self.wait(0, *cost, now)
    }

    /// Takes the tokens, even if there are fewer: that leaves a debt.
    #[inline]
    fn take(&mut self, cost: u32, at: Instant) -> TokenPermit {
        self.settle(at);
        self.level = self.level.saturating_sub(self.units(cost));
        TokenPermit(cost)
    }

    /// Gives the tokens back, as many as fit.
    ///
    /// The time since the last take is not settled first: a grant may yet be dated back into it.
    /// The level comes out the same, since what flows in and what comes back are capped together.
    fn cancel(&mut self, permit: TokenPermit, _now: Instant) {
        let back = self.units(permit.tokens());
        self.level = self.level.saturating_add(back).min(self.cap());
    }

    /// What lies on the shelf counts as if it were still in the bucket, which can hold no more than
    /// the burst.
    fn lapse(&mut self, permit: TokenPermit, shelved: u64, _now: Instant) {
        let shelved = i128::from(shelved).saturating_mul(self.units(1));
        let room = self.cap().saturating_sub(shelved);
        let back = self.level.saturating_add(self.units(permit.tokens()));
        self.level = self.level.max(back.min(room));
    }

    /// Exact, except for one thing: a request that needs a full bucket is due at a whole nanosecond,
    /// and what flows in just before that is lost. So if the burst is above 1, the answer may be a
    /// nanosecond early for each such request ahead.
    fn predict(&self, ahead: u64, cost: &u32, now: Instant) -> Wait {
        self.wait(ahead, *cost, now)
    }

    /// Only if a token takes a whole number of nanoseconds: with a rounded interval requests that pass
    /// by the lane and by the lock would not come to the same. And not if the bucket takes centuries
    /// to fill.
    fn pace(&self) -> Option<Pace> {
        let (events, period) = (u64::from(self.rate.events()), self.rate.nanos());
        let missing = self.cap().saturating_sub(self.level).max(0).unsigned_abs();
        let until_full = missing.div_ceil(u128::from(events));
        let is_exact = period % events == 0 && until_full < CENTURY;
        is_exact.then(|| Pace {
            full_at: later(self.at, until_full),
            interval: Duration::from_nanos(period / events),
            burst: self.burst,
        })
    }

    fn passed(&mut self, full_at: Instant) {
        let inflow = nanos(full_at.saturating_duration_since(self.at));
        let inflow = i128::from(inflow) * i128::from(self.rate.events());
        self.level = self.cap().saturating_sub(inflow);
    }

    fn permit(cost: u32) -> Option<TokenPermit> {
        Some(TokenPermit(cost))
    }

    fn describe(&self, snapshot: &mut Snapshot, now: Instant) {
        snapshot.level = Some(self.level(now));
        snapshot.burst = Some(self.burst);
        snapshot.rate = Some(self.rate.as_per_second_f64());
    }
}

impl TokenBucket {
    #[inline]
    fn wait(&self, ahead: u64, cost: u32, now: Instant) -> Wait {
        if cost > self.burst && self.over_burst == OverBurst::Refuse {
            return Wait::Never;
        }
        let need = self.units(cost.min(self.burst));
        if ahead == 0 && (cost == 0 || self.has(need, now)) {
            return Wait::Now;
        }
        match self.nanos_until(ahead, cost, now) {
            0 => Wait::Now,
            wait => Wait::until(later(now.max(self.at), wait), now),
        }
    }

    /// Whether so much is there. The level only rises: mostly there is no need to know by how much.
    #[inline]
    fn has(&self, need: i128, now: Instant) -> bool {
        self.level >= need || self.level_at(now) >= need
    }

    fn nanos_until(&self, ahead: u64, cost: u32, now: Instant) -> u128 {
        let level = self.level_at(now);
        if self.burst == 1 && self.over_burst == OverBurst::Refuse {
            // Each waits for a full bucket, and for a whole nanosecond.
            let others = u128::from(ahead.saturating_add(cost.into()) - 1);
            let token = self.units(1);
            let line = others.saturating_mul(self.nanos_for(token));
            return self
                .nanos_for(token.saturating_sub(level))
                .saturating_add(line);
        }
        let need = self.units(cost.min(self.burst));
        let need = need.saturating_add(self.units_ahead(ahead, cost));
        self.nanos_for(need.saturating_sub(level))
    }

    /// How long it takes until so much has flowed in, in whole nanoseconds.
    fn nanos_for(&self, units: i128) -> u128 {
        let units = units.max(0).unsigned_abs();
        match u64::try_from(units) {
            // Several times as fast.
            Ok(units) => units.div_ceil(self.rate.events().into()).into(),
            Err(_) => units.div_ceil(self.rate.events().into()),
        }
    }

    /// What must have flowed in before a request has its turn.
    fn units_ahead(&self, ahead: u64, cost: u32) -> i128 {
        // A free request doesn't wait until the debt of the one before it is paid off.
        let free_after_debt = cost == 0 && self.over_burst == OverBurst::Borrow;
        let ahead = if free_after_debt {
            ahead.min(self.burst.into())
        } else {
            ahead
        };
        i128::from(ahead).saturating_mul(self.units(1))
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "some instant is needed to begin with"
)]
mod tests {
    use super::*;
    use crate::Rate;

    const SECOND: Duration = Duration::from_secs(1);

    /// A bucket of one token per second, and when it was made.
    fn bucket(burst: u32) -> (TokenBucket, Instant) {
        let t0 = Instant::now();
        (TokenBucket::new(Rate::per_second(1), t0).burst(burst), t0)
    }

    /// When requests of cost 1 pass that are offered at these times.
    fn paced(mut bucket: TokenBucket, t0: Instant, offered: &[u32]) -> Vec<f64> {
        let mut now = t0;
        let mut pace = |at: &u32| {
            now = now.max(t0 + *at * SECOND);
            if let Wait::Until(at) = bucket.check(&1, now) {
                now = at;
            }
            bucket.take(1, now);
            (now - t0).as_secs_f64()
        };
        offered.iter().map(&mut pace).collect()
    }

    #[test]
    fn a_burst_passes_at_once_and_then_one_per_interval() {
        let (bucket, t0) = bucket(3);

        let admitted = paced(bucket, t0, &[0, 0, 0, 0, 0, 0, 7, 7, 7, 7]);

        assert_eq!(admitted, [0., 0., 0., 1., 2., 3., 7., 7., 7., 8.]);
    }

    #[test]
    fn without_a_burst_even_the_start_is_spread() {
        let (bucket, t0) = bucket(1);

        assert_eq!(paced(bucket, t0, &[0, 0, 0, 9, 9]), [0., 1., 2., 9., 10.]);
    }

    #[test]
    fn a_cost_above_the_burst_is_refused() {
        let (bucket, t0) = bucket(3);

        assert_eq!(bucket.check(&4, t0), Wait::Never);
        assert_eq!(bucket.predict(1, &4, t0), Wait::Never);
    }

    #[test]
    fn a_cost_above_the_burst_waits_for_a_full_bucket_and_is_paid_off_later() {
        let (bucket, t0) = bucket(3);
        let mut bucket = bucket.over_burst(OverBurst::Borrow);
        bucket.take(1, t0);

        assert_eq!(bucket.check(&5, t0), Wait::Until(t0 + SECOND));
        bucket.take(5, t0 + SECOND);

        assert_eq!(bucket.level(t0 + SECOND), -2);
        assert_eq!(bucket.check(&1, t0 + SECOND), Wait::Until(t0 + 4 * SECOND));
    }

    #[test]
    fn a_free_request_passes_even_in_debt() {
        let (mut bucket, t0) = bucket(1);
        bucket.take(10, t0);

        assert_eq!(bucket.check(&0, t0), Wait::Now);
        bucket.take(0, t0);
        assert_eq!(bucket.level(t0), -9);
    }

    #[test]
    fn a_free_request_does_not_wait_for_the_debt_of_the_one_ahead() {
        let (bucket, t0) = bucket(2);
        let bucket = bucket.over_burst(OverBurst::Borrow);

        assert_eq!(bucket.predict(9, &0, t0), Wait::Now);
        assert_eq!(bucket.predict(9, &1, t0), Wait::Until(t0 + 8 * SECOND));
    }

    #[test]
    fn a_clock_that_goes_back_adds_nothing_twice() {
        let (mut bucket, t0) = bucket(1);
        bucket.take(1, t0 + 10 * SECOND);

        let due = Wait::Until(t0 + 11 * SECOND);
        assert_eq!(bucket.check(&1, t0), due);
        assert_eq!(bucket.check(&1, t0 + 10 * SECOND), due);
        assert_eq!(bucket.check(&1, t0 + 11 * SECOND), Wait::Now);
    }

    #[test]
    fn what_is_due_between_two_nanoseconds_is_due_at_the_second() {
        let t0 = Instant::now();
        let mut bucket = TokenBucket::new(Rate::per_second(3), t0);
        bucket.take(1, t0);

        let due = t0 + Duration::from_nanos(333_333_334);
        assert_eq!(bucket.check(&1, t0), Wait::Until(due));
    }

    #[test]
    fn an_instant_that_the_clock_cannot_represent_is_far_away() {
        let t0 = Instant::now();
        let rate = Rate::per(1, Duration::MAX);
        let mut bucket = TokenBucket::new(rate, t0).burst(u32::MAX);
        for _ in 0..3 {
            bucket.take(u32::MAX, t0);
        }

        let year = 365 * 24 * 3600 * SECOND;
        let Wait::Until(at) = bucket.predict(u64::MAX, &u32::MAX, t0) else {
            panic!("it waits");
        };
        assert!(at >= t0 + 30 * year);
    }

    #[test]
    fn a_snapshot_tells_level_burst_and_rate() {
        let (mut bucket, t0) = bucket(5);
        bucket.take(7, t0);
        let mut snapshot = Snapshot::default();

        bucket.describe(&mut snapshot, t0);

        assert_eq!((snapshot.level, snapshot.burst), (Some(-2), Some(5)));
        assert_eq!(snapshot.rate, Some(1.0));
    }

    #[test]
    fn what_comes_back_fits_or_is_spilled() {
        let (mut bucket, t0) = bucket(5);
        let permit = bucket.take(3, t0);
        assert_eq!(permit.tokens(), 3);

        bucket.cancel(permit, t0 + SECOND);

        assert_eq!(bucket.level(t0 + SECOND), 5);
    }
}
