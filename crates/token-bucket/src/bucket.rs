use std::time::{Duration, Instant};

use tower_throttle_core::{Invalid, Limiter, Snapshot, Wait};

use crate::{
    Rate,
    level::{Level, Mark},
    time::later,
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
/// integers.
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
    level: Level,
    /// When `level` was true: the latest instant of a take or a change of settings.
    at: Instant,
    /// The bucket is full from then on, if not before. Comparing two instants is much cheaper than
    /// what flowed in between them, and most buckets are full most of the time.
    full_by: Option<Instant>,
    /// Nanoseconds until a token has flowed in, rounded up.
    interval: u64,
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
#[derive(Debug)]
pub struct TokenPermit {
    tokens: u32,
    mark: Mark,
}

impl TokenPermit {
    /// How many tokens were taken.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.tokens
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
            level: Level::new(0),
            at: now,
            full_by: None,
            interval: 0,
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
        self.level = Level::new(self.units(self.initial_level.min(self.burst)));
        self.foresee();
        self
    }
}

/// Changes to a bucket in use, from `now` on.
impl TokenBucket {
    /// Changes the rate. What flowed in until `now` did so at the old rate; the level stays.
    pub fn set_rate(&mut self, rate: Rate, now: Instant) {
        self.settle(now);
        if rate.nanos() != self.rate.nanos() {
            self.level.rescale(self.rate.nanos(), rate.nanos());
        }
        self.rate = rate;
        self.foresee();
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
        self.level.gain(0, self.cap());
        self.foresee();
        Ok(())
    }

    /// Fills the bucket, and forgets a debt.
    pub fn refill(&mut self, now: Instant) {
        self.settle(now);
        self.level.fill(self.cap());
        self.foresee();
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
        let tokens = self.level_at(now).units().div_euclid(self.units(1));
        i64::try_from(tokens).unwrap_or(i64::MIN)
    }

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

    /// The level at `now`; an instant before the last take counts as that of the last take.
    fn level_at(&self, now: Instant) -> Level {
        let mut level = self.level;
        level.gain(self.inflow(now), self.cap());
        level
    }

    #[inline]
    fn is_full(&self, now: Instant) -> bool {
        self.full_by.is_some_and(|full_by| full_by <= now)
    }

    fn foresee(&mut self) {
        let room = self.nanos_for(self.level.room(self.cap()));
        self.full_by = u64::try_from(room)
            .ok()
            .and_then(|room| after(self.at, room));
        self.interval = self.rate.nanos().div_ceil(self.rate.events().into());
    }

    /// How long it takes until so many units have flowed in, rounded up.
    fn nanos_for(&self, units: i128) -> u128 {
        let units = units.max(0).unsigned_abs();
        units.div_ceil(self.rate.events().into())
    }

    #[inline]
    fn settle(&mut self, now: Instant) {
        if self.is_full(now) {
            self.level.fill(self.cap());
            self.full_by = Some(now);
        } else {
            self.level.gain(self.inflow(now), self.cap());
        }
        self.at = self.at.max(now);
    }

    /// Tokens were taken: it takes so much longer until the bucket is full.
    #[inline]
    fn postpone(&mut self, tokens: u32) {
        let nanos = self.interval.checked_mul(tokens.into());
        self.full_by = self.full_by.and_then(|full_by| after(full_by, nanos?));
    }

    /// What flows in from the last take until `now`.
    #[inline]
    fn inflow(&self, now: Instant) -> i128 {
        let nanos = now.saturating_duration_since(self.at).as_nanos();
        // Below 2^94 nanoseconds at 2^32 units: the product is below 2^126.
        nanos as i128 * i128::from(self.rate.events())
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
        let mark = self.level.take(self.units(cost));
        self.postpone(cost);
        TokenPermit { tokens: cost, mark }
    }

    /// Gives the tokens back, unless the bucket would have overflowed without the request.
    fn cancel(&mut self, permit: TokenPermit, _now: Instant) {
        self.level
            .give_back(&permit.mark, self.units(permit.tokens), self.cap());
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

fn after(start: Instant, nanos: u64) -> Option<Instant> {
    start.checked_add(Duration::from_nanos(nanos))
}

fn at_least_one(burst: u32) -> Result<u32, Invalid> {
    if burst == 0 {
        Err(Invalid::new("burst", burst, "at least 1"))
    } else {
        Ok(burst)
    }
}
