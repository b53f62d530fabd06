use std::time::Instant;

use tower_throttle_core::{Invalid, Limiter, Snapshot, Wait};

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
///  offered   ||||||           |    |  ||||
///  admitted  |||   |   |   |  |    |  |||   |
///  level     3  0             0  1 0  2   0          3 at once, then one per interval
/// ```
///
/// In any time `T`, requests of at most `burst + rate · T` tokens are admitted: the leaky bucket as
/// a meter, or generic cell rate algorithm, of ITU-T I.371 and ATM Forum TM 4.1 §4.4.2, in exact
/// integers. What comes back in that time, from permits that were not used, may pass in addition: so
/// the bound holds for what is sent over `T` and the longest that an unused permit was held.
///
/// The default burst is 1: requests are spread evenly, and a start is no exception. A burst of `n`
/// per period looks natural, but lets up to `2 · n` requests through in the first period.
///
/// # Cost
///
/// No allocation; no division unless a request must wait.
///
/// # Choosing
///
/// Use a [`SlidingWindow`](crate::SlidingWindow) instead if a server counts requests in a window of
/// time and one too many is not forgiven.
///
/// # Example
///
/// ```
/// use std::time::Instant;
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
        let nanos = missing
            .max(0)
            .unsigned_abs()
            .div_ceil(u128::from(self.rate.events()));
        Wait::until(later(now.max(self.at), nanos), now)
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

    fn predict(&self, ahead: u64, cost: &u32, now: Instant) -> Wait {
        self.wait(ahead, *cost, now)
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
