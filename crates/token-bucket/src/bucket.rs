use std::time::{Duration, Instant};

use tower_throttle_core::{Invalid, Limiter, Pace, Snapshot, Wait};

use crate::{
    Rate,
    time::{later, nanos},
};

/// Lets requests through at a [`Rate`], and up to a *burst* of them at once after a pause.
///
/// The bucket holds tokens: at most `burst`. They flow in at the rate, and each request takes what
/// it costs. With a burst of 3:
///
/// ```text
///  time      0   1   2   3   4   5   6   7   8   9     in units of what one token takes
///  offered   6                           4
///  admitted  3   1   1   1               3   1
///  level     0   0   0   0   1   2   3   0   0   1
/// ```
///
/// In any time `T`, at most `burst + rate · T` tokens are taken, less what comes back. This is the
/// leaky bucket as a meter, or generic cell rate algorithm, of ITU-T I.371, in exact integers: what is
/// due between two nanoseconds is due at the second.
///
/// The default burst is 1: requests are spread evenly, and a start is no exception. A burst of `n`
/// per period looks natural, but lets up to `2 · n` requests through in the first period.
///
/// # Cancel safety
///
/// The tokens of a request that was never sent come back, as many as fit. That a bucket would have
/// been full meanwhile is not remembered: requests that hold tokens unused and give them back in
/// turns can leave closer together than the bound says.
///
/// # Cost
///
/// 64 bytes. No allocation; no division unless a request must wait.
///
/// # Choosing
///
/// Most callers should use this one. Use a [`SlidingWindow`](crate::SlidingWindow) instead if a server counts requests in a window of
/// time and one too many is not forgiven.
///
/// # Example
///
/// ```
/// use std::time::{Duration, Instant};
/// use tower_throttle_core::{Limiter, Wait};
/// use tower_throttle_token_bucket::{Rate, TokenBucket};
///
/// let t0 = Instant::now();
/// let mut bucket = TokenBucket::new(Rate::per_second(10), t0).burst(2);
///
/// bucket.take(1, t0);
/// bucket.take(1, t0);
///
/// assert_eq!(bucket.check(&1, t0), Wait::Until(t0 + Duration::from_millis(100)));
/// ```
#[derive(Debug, Clone)]
pub struct TokenBucket {
    rate: Rate,
    burst: u32,
    initial_level: u32,
    over_burst: OverBurst,
    /// In units of `1 / rate.nanos()` of a token: so `rate.events()` of them flow in each
    /// nanosecond, and no rate needs rounding.
    level: i128,
    /// When `level` was true: the latest instant of a take or a change of settings.
    at: Instant,
}

/// What happens to a request that costs more than the burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverBurst {
    /// It is rejected at once.
    #[default]
    Refuse,
    /// It waits until the bucket is full, then takes its whole cost. The level goes below zero, and
    /// later requests wait until the debt is paid off.
    Borrow,
}

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

/// How to make a bucket. The order of these calls does not matter; each starts the bucket afresh
/// with its [`initial_level`](Self::initial_level).
impl TokenBucket {
    /// A full bucket with a burst of 1.
    #[must_use]
    pub fn new(rate: Rate, now: Instant) -> Self {
        let bucket = Self {
            rate,
            burst: 1,
            initial_level: u32::MAX,
            over_burst: OverBurst::Refuse,
            level: 0,
            at: now,
        };
        bucket.restarted()
    }

    /// The most tokens that can be taken at once. Default: 1.
    ///
    /// # Panics
    ///
    /// If it is 0. Use [`try_burst`](Self::try_burst) for values from outside.
    #[must_use]
    pub fn burst(self, tokens: u32) -> Self {
        match self.try_burst(tokens) {
            Ok(bucket) => bucket,
            Err(invalid) => panic!("{invalid}"),
        }
    }

    /// As [`burst`](Self::burst), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it is 0.
    pub fn try_burst(mut self, tokens: u32) -> Result<Self, Invalid> {
        self.burst = at_least_one(tokens)?;
        Ok(self.restarted())
    }

    /// The tokens in the bucket at the start. Default: as many as fit.
    ///
    /// What doesn't fit into the [`burst`](Self::burst) is spilled; `0` makes the first request wait.
    #[must_use]
    pub fn initial_level(mut self, tokens: u32) -> Self {
        self.initial_level = tokens;
        self.restarted()
    }

    /// What happens to a request that costs more than the burst. Default: [`OverBurst::Refuse`].
    #[must_use]
    pub fn over_burst(mut self, over_burst: OverBurst) -> Self {
        self.over_burst = over_burst;
        self
    }

    fn restarted(mut self) -> Self {
        self.level = self.units(self.initial_level.min(self.burst));
        self
    }
}

/// Changes to a bucket in use, from `now` on.
impl TokenBucket {
    /// Changes the rate. What flowed in until `now` did so at the old rate; the level stays.
    pub fn set_rate(&mut self, rate: Rate, now: Instant) {
        self.settle(now);
        self.level = rescale(self.level, self.rate.nanos(), rate.nanos());
        self.rate = rate;
    }

    /// Changes the burst. The level stays; what no longer fits is spilled.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it is 0; then nothing changes.
    pub fn set_burst(&mut self, tokens: u32, now: Instant) -> Result<(), Invalid> {
        let burst = at_least_one(tokens)?;
        self.settle(now);
        self.burst = burst;
        self.level = self.level.min(self.cap());
        Ok(())
    }

    /// Fills the bucket, and forgets a debt.
    pub fn refill(&mut self, now: Instant) {
        self.settle(now);
        self.level = self.cap();
    }
}

impl TokenBucket {
    /// The rate at which tokens flow in.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// The most tokens that can be taken at once.
    #[must_use]
    pub fn burst_size(&self) -> u32 {
        self.burst
    }

    /// The whole tokens in the bucket; negative in debt, rounded down.
    #[must_use]
    pub fn level(&self, now: Instant) -> i64 {
        let tokens = self.level_at(now).div_euclid(self.units(1));
        i64::try_from(tokens).unwrap_or(i64::MIN)
    }

    #[inline]
    fn wait(&self, ahead: u64, cost: u32, now: Instant) -> Wait {
        if cost > self.burst && self.over_burst == OverBurst::Refuse {
            return Wait::Never;
        }
        let need = self.units(cost.min(self.burst));
        // The level only rises: mostly there is no need to know by how much.
        if ahead == 0 && (self.level >= need || cost == 0) {
            return Wait::Now;
        }
        let need = need.saturating_add(self.units_ahead(ahead, cost));
        match need.saturating_sub(self.level_at(now)) {
            missing if missing <= 0 => Wait::Now,
            missing => self.wait_for(missing, now),
        }
    }

    fn wait_for(&self, missing: i128, now: Instant) -> Wait {
        let nanos = if self.cap() == self.units(1) && self.over_burst == OverBurst::Refuse {
            self.nanos_one_by_one(missing)
        } else {
            self.nanos_for(missing)
        };
        Wait::until(later(now.max(self.at), nanos), now)
    }

    /// How long it takes until so much has flowed in, in whole nanoseconds.
    fn nanos_for(&self, units: i128) -> u128 {
        let units = units.max(0).unsigned_abs();
        units.div_ceil(self.rate.events().into())
    }

    /// The same if each token is taken when it is there, and what flows in between that moment and
    /// the next whole nanosecond is lost, because the bucket is full.
    fn nanos_one_by_one(&self, units: i128) -> u128 {
        let token = self.units(1);
        let others = (units - 1) / token;
        let interval = self.nanos_for(token);
        let first = self.nanos_for(units - others * token);
        first.saturating_add(others.unsigned_abs().saturating_mul(interval))
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

    /// The level at `now`; an instant before the last take counts as that of the last take.
    #[inline]
    fn level_at(&self, now: Instant) -> i128 {
        let nanos = nanos(now.saturating_duration_since(self.at));
        let inflow = i128::from(nanos) * i128::from(self.rate.events());
        self.level.saturating_add(inflow).min(self.cap())
    }

    #[inline]
    fn settle(&mut self, now: Instant) {
        self.level = self.level_at(now);
        self.at = self.at.max(now);
    }

    #[inline]
    fn cap(&self) -> i128 {
        self.units(self.burst)
    }

    #[inline]
    fn units(&self, tokens: u32) -> i128 {
        i128::from(tokens) * i128::from(self.rate.nanos())
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

    /// Exact, except for one thing: a request that needs a full bucket is due at a whole nanosecond,
    /// and what flows in just before that is lost. So if the burst is above 1, the answer may be a
    /// nanosecond early for each such request ahead.
    fn predict(&self, ahead: u64, cost: &u32, now: Instant) -> Wait {
        self.wait(ahead, *cost, now)
    }

    /// None for rates above a million per second whose interval is no whole number of nanoseconds:
    /// rounding it up would cost more than a thousandth of the rate.
    fn pace(&self) -> Option<Pace> {
        let (events, period) = (u64::from(self.rate.events()), self.rate.nanos());
        let interval = period.div_ceil(events);
        let lost = u128::from(interval) * u128::from(events) - u128::from(period);
        let missing = self.cap().saturating_sub(self.level).max(0).unsigned_abs();
        (lost.saturating_mul(1000) <= u128::from(period)).then(|| Pace {
            full_at: later(self.at, missing.div_ceil(u128::from(events))),
            interval: Duration::from_nanos(interval),
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

fn at_least_one(burst: u32) -> Result<u32, Invalid> {
    if burst == 0 {
        Err(Invalid::new("burst", burst, "at least 1"))
    } else {
        Ok(burst)
    }
}

/// `units * to / from`, rounded down.
fn rescale(units: i128, from: u64, to: u64) -> i128 {
    let (from, to) = (i128::from(from), i128::from(to));
    let whole = units.div_euclid(from).saturating_mul(to);
    // The remainder is below 2^64, so the product is below 2^128.
    let part = units.rem_euclid(from).unsigned_abs() * to.unsigned_abs() / from.unsigned_abs();
    whole.saturating_add(part as i128)
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

    fn drained(rate: Rate, burst: u32, now: Instant) -> TokenBucket {
        TokenBucket::new(rate, now).burst(burst).initial_level(0)
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
    fn the_order_of_setters_does_not_matter() {
        let t0 = Instant::now();
        let new = || TokenBucket::new(Rate::per_second(1), t0);

        let a = new()
            .burst(10)
            .initial_level(7)
            .over_burst(OverBurst::Borrow);
        let b = new()
            .over_burst(OverBurst::Borrow)
            .initial_level(7)
            .burst(10);

        assert_eq!((a.level(t0), b.level(t0)), (7, 7));
        assert_eq!(a.check(&11, t0), b.check(&11, t0));
    }

    #[test]
    fn a_bucket_starts_as_full_as_asked() {
        let t0 = Instant::now();
        let bucket = TokenBucket::new(Rate::per_second(1), t0).burst(10);

        let cases = [(0, 0), (4, 4), (10, 10), (11, 10), (u32::MAX, 10)];
        for (initial, level) in cases {
            assert_eq!(bucket.clone().initial_level(initial).level(t0), level);
        }
        assert_eq!(bucket.level(t0), 10);
    }

    #[test]
    fn a_burst_of_zero_is_refused_by_name() {
        let t0 = Instant::now();
        let mut bucket = TokenBucket::new(Rate::per_second(1), t0);
        let sentence = "burst is 0, but must be at least 1";

        assert_eq!(bucket.set_burst(0, t0).unwrap_err().to_string(), sentence);
        assert_eq!(bucket.burst_size(), 1);
        assert_eq!(bucket.try_burst(0).unwrap_err().to_string(), sentence);
    }

    #[test]
    #[should_panic = "burst is 0, but must be at least 1"]
    fn a_burst_of_zero_panics_with_the_same_sentence() {
        let _ = TokenBucket::new(Rate::per_second(1), Instant::now()).burst(0);
    }

    #[test]
    fn time_that_has_passed_counts_at_the_old_rate() {
        let t0 = Instant::now();
        let mut bucket = drained(Rate::per_second(1), 20_000, t0);

        bucket.set_rate(Rate::per_second(1000), t0 + 10 * SECOND);

        assert_eq!(bucket.level(t0 + 10 * SECOND), 10);
        assert_eq!(bucket.level(t0 + 11 * SECOND), 1010);
    }

    #[test]
    fn a_fraction_of_a_token_survives_a_change_of_rate() {
        let t0 = Instant::now();
        let mut bucket = drained(Rate::per_minute(60), 5, t0);
        let half = t0 + SECOND / 2;

        bucket.set_rate(Rate::per_second(1), half);

        assert_eq!(bucket.check(&1, half), Wait::Until(t0 + SECOND));
    }

    #[test]
    fn a_smaller_burst_spills_what_no_longer_fits() {
        let t0 = Instant::now();
        let mut bucket = TokenBucket::new(Rate::per_second(1), t0).burst(10);

        bucket.set_burst(3, t0).unwrap();
        assert_eq!(bucket.level(t0), 3);

        bucket.set_burst(10, t0).unwrap();
        assert_eq!(bucket.level(t0), 3);
    }

    #[test]
    fn a_refill_forgets_debts() {
        let t0 = Instant::now();
        let mut bucket = TokenBucket::new(Rate::per_second(1), t0).burst(10);
        bucket.take(25, t0);

        bucket.refill(t0);

        assert_eq!(bucket.level(t0), 10);
    }

    #[test]
    fn the_level_is_rounded_down_in_debt_too() {
        let t0 = Instant::now();
        let mut bucket = TokenBucket::new(Rate::per_second(1), t0).burst(2);
        bucket.take(4, t0);

        assert_eq!(bucket.level(t0 + SECOND / 2), -2);
        assert_eq!(bucket.level(t0 + SECOND), -1);
    }

    #[test]
    fn what_comes_back_fits_or_is_spilled() {
        let (mut bucket, t0) = bucket(5);
        let permit = bucket.take(3, t0);
        assert_eq!(permit.tokens(), 3);

        bucket.cancel(permit, t0 + SECOND);

        assert_eq!(bucket.level(t0 + SECOND), 5);
    }

    #[test]
    fn units_are_rescaled_downwards() {
        let cases = [
            (7, 10, 3, 2),
            (10, 10, 3, 3),
            (-1, 10, 3, -1),
            (-10, 10, 3, -3),
            (i128::MAX, 1, u64::MAX, i128::MAX),
        ];
        for (units, from, to, rescaled) in cases {
            assert_eq!(
                rescale(units, from, to),
                rescaled,
                "{units} of {from} in {to}"
            );
        }
    }
}
