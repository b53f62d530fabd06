mod limiter;

use std::time::Instant;

use tower_throttle_core::Invalid;

pub use self::limiter::TokenPermit;
use crate::{Rate, time::nanos};

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

    /// The same bucket as at its start, at another time.
    pub(crate) fn started_at(&self, now: Instant) -> Self {
        Self {
            at: now,
            ..self.clone()
        }
        .restarted()
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

    use tower_throttle_core::{Limiter, Wait};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn drained(rate: Rate, burst: u32, now: Instant) -> TokenBucket {
        TokenBucket::new(rate, now).burst(burst).initial_level(0)
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
