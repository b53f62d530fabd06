use std::time::Instant;

use tower_throttle_core::{Limiter, Snapshot, Wait};

use super::{OverBurst, TokenBucket, level::Mark};
use crate::time::later;

/// Tokens that were taken from a [`TokenBucket`].
#[derive(Debug)]
pub struct TokenPermit {
    number: i128,
    scale: u32,
    tokens: u32,
}

impl TokenPermit {
    /// How many tokens were taken.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.tokens
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
        let Mark { number, scale } = self.level.take(self.units(cost));
        self.postpone(cost);
        TokenPermit {
            number,
            scale,
            tokens: cost,
        }
    }

    /// Gives the tokens back, but for those that would have overflowed without the request.
    fn cancel(&mut self, permit: TokenPermit, _now: Instant) {
        let (units, cap) = (self.units(permit.tokens), self.cap());
        let TokenPermit { number, scale, .. } = permit;
        self.level.give_back(&Mark { number, scale }, units, cap);
    }

    /// Exact, but for two things. A request that needs a full bucket is due at the next whole
    /// nanosecond, and what flows in meanwhile is lost: with a burst above 1, those ahead may be later
    /// than predicted by a nanosecond each. And if tokens were given back, the answer is the earliest
    /// that is possible.
    fn predict(&self, ahead: u64, cost: &u32, now: Instant) -> Wait {
        self.wait(ahead, *cost, now)
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
        if ahead == 0 && (self.is_full(now) || cost == 0 || self.has(need, now)) {
            return Wait::Now;
        }
        self.wait_for(ahead, cost, now)
    }

    #[inline]
    fn has(&self, need: i128, now: Instant) -> bool {
        self.level.units() >= need || self.level.has(need, self.inflow(now), self.cap())
    }

    fn wait_for(&self, ahead: u64, cost: u32, now: Instant) -> Wait {
        let (level, cap) = (self.level_at(now), self.cap());
        let nanos = if cap == self.units(1) && self.over_burst == OverBurst::Refuse {
            // Each of them waits for a full bucket, and for a whole number of nanoseconds.
            let others = ahead.saturating_add(cost.into()) - 1;
            let first = self.nanos_for(level.shortfall(0, cap, cap));
            first + u128::from(others) * u128::from(self.interval)
        } else {
            let need = self.units(cost.min(self.burst));
            self.nanos_for(level.shortfall(self.units_ahead(ahead, cost), need, cap))
        };
        if nanos == 0 {
            return Wait::Now;
        }
        Wait::until(later(now.max(self.at), nanos), now)
    }

    /// What must be taken before a request has its turn.
    fn units_ahead(&self, ahead: u64, cost: u32) -> i128 {
        // A free request doesn't wait until the debt of the one before it is paid off.
        let may_borrow = cost == 0 && self.over_burst == OverBurst::Borrow;
        let ahead = if may_borrow {
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
    use std::time::Duration;

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
    fn tokens_that_would_have_overflowed_do_not_come_back() {
        let (mut bucket, t0) = bucket(2);

        let stuck = bucket.take(2, t0);
        bucket.take(2, t0 + 2 * SECOND);
        bucket.cancel(stuck, t0 + 2 * SECOND);

        assert_eq!(bucket.level(t0 + 2 * SECOND), 0);
    }

    #[test]
    fn tokens_come_back_behind_others_that_were_sent() {
        let (mut bucket, t0) = bucket(5);
        bucket.take(4, t0);

        let dropped = bucket.take(1, t0);
        bucket.take(1, t0 + SECOND);
        bucket.cancel(dropped, t0 + SECOND);

        assert_eq!(bucket.level(t0 + SECOND), 1);
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
}
