use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tower_throttle_core::{Limiter, Snapshot, Wait};

use crate::{Rate, time::later};

/// Lets at most so many tokens through in *every* window of time.
///
/// With 3 per period, a request passes when the third before it is a whole period old:
///
/// ```text
///  offered   |||||          |  |  |  |
///  admitted  |||       ||   |         |||
///            ├────────┤                       never more than 3 between ├ and ┤,
///                 ├────────┤                  wherever they stand
/// ```
///
/// That is: at most [`events`](Rate::events) tokens in each half-open interval *[t, t + period)*, for
/// all *t*, by the clock and not only on average.
///
/// # Differences from neighbours
///
/// * `tower::limit::RateLimit` counts in windows that follow one another: around the boundary between
///   two, twice the number passes.
/// * A [`TokenBucket`](crate::TokenBucket) with a burst of `n` and a rate of `n` per period lets up to
///   `2 · n` through in the first period.
///
/// # Cost
///
/// Each request that was admitted at another instant is remembered for one period: at most `events`
/// entries of 32 bytes. Checking and taking look at as many old entries as the request has tokens,
/// at most, and at each entry once. Predicting the wait behind others, or taking back a permit, may
/// look at all.
///
/// Grants to those who wait are never dated back, because the promise is about real time
/// ([`MAX_LAG`](Limiter::MAX_LAG) is zero). As timers fire about a millisecond late, each group of
/// requests that waits loses that much: at 10 per second nothing to speak of; at 1000 per second, a
/// bucket is the better choice.
///
/// # Choosing
///
/// Use a [`TokenBucket`](crate::TokenBucket) unless a server really counts in a sliding window: the
/// bucket spreads requests evenly, where the window lets them through in groups.
///
/// # Example
///
/// ```
/// use std::time::{Duration, Instant};
/// use tower_throttle_core::{Limiter, Wait};
/// use tower_throttle_token_bucket::{Rate, SlidingWindow};
///
/// let t0 = Instant::now();
/// let mut window = SlidingWindow::new(Rate::per_minute(2));
///
/// window.take(1, t0);
/// window.take(1, t0 + Duration::from_secs(20));
///
/// let due = t0 + Duration::from_secs(60);
/// assert_eq!(window.check(&1, t0 + Duration::from_secs(20)), Wait::Until(due));
/// ```
#[derive(Debug, Clone)]
pub struct SlidingWindow {
    rate: Rate,
    /// Oldest first. Those that have expired go when the next is added.
    stamps: VecDeque<Stamp>,
    /// The tokens of all stamps.
    tokens: u64,
    serial: u64,
}

/// The tokens that were taken at one instant.
#[derive(Debug, Clone)]
struct Stamp {
    at: Instant,
    tokens: u64,
    serial: u64,
}

/// Tokens that were taken from a [`SlidingWindow`].
#[derive(Debug)]
pub struct WindowPermit {
    tokens: u32,
    serial: u64,
}

impl WindowPermit {
    /// How many tokens were taken.
    #[must_use]
    pub fn tokens(&self) -> u32 {
        self.tokens
    }
}

impl SlidingWindow {
    /// A window that nothing has passed yet. It is as long as the rate's [`period`](Rate::period).
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            stamps: VecDeque::new(),
            tokens: 0,
            serial: 0,
        }
    }

    /// Changes the rate. What passed in the last *old* period counts from now on by the new rate.
    ///
    /// What passed earlier is forgotten. So after a change to a longer period, the promise holds for
    /// the windows that begin at most one old period before the change.
    pub fn set_rate(&mut self, rate: Rate, now: Instant) {
        self.forget(now);
        self.rate = rate;
    }

    /// The rate.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// The tokens that could be taken now; negative if more have passed than a lowered rate allows.
    #[must_use]
    pub fn level(&self, now: Instant) -> i64 {
        let old: u64 = self.expired(now).map(|stamp| stamp.tokens).sum();
        let passed = i64::try_from(self.tokens - old).unwrap_or(i64::MAX);
        i64::from(self.rate.events()) - passed
    }

    /// The wait of the last of `queue` tokens that pass one after the other.
    fn wait(&self, queue: u64, now: Instant) -> Wait {
        let Some(before) = queue.checked_sub(1) else {
            return Wait::Now;
        };
        let limit = u64::from(self.rate.events());
        // The same place in the first group of `limit` tokens, and how many groups come after it.
        let (place, groups) = (before % limit + 1, before / limit);
        let first = self.room_for(place).map_or(now, |at| at.max(now));
        let nanos = u128::from(groups) * self.rate.period().as_nanos();
        Wait::until(later(first, nanos), now)
    }

    /// When so many tokens fit into the window; `None` if they always do.
    fn room_for(&self, tokens: u64) -> Option<Instant> {
        let limit = u64::from(self.rate.events());
        let mut missing = self.tokens.saturating_add(tokens).saturating_sub(limit);
        let mut last = None;
        for stamp in &self.stamps {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(stamp.tokens);
            last = Some(stamp.at);
        }
        last.map(|at| later(at, self.rate.period().as_nanos()))
    }

    fn expired(&self, now: Instant) -> impl Iterator<Item = &Stamp> {
        let period = self.rate.period();
        self.stamps
            .iter()
            .take_while(move |stamp| now.saturating_duration_since(stamp.at) >= period)
    }

    fn forget(&mut self, now: Instant) {
        let count = self.expired(now).count();
        let tokens: u64 = self.stamps.drain(..count).map(|stamp| stamp.tokens).sum();
        self.tokens -= tokens;
    }

    fn stamp(&mut self, tokens: u32, at: Instant) {
        let tokens = u64::from(tokens);
        self.tokens += tokens;
        match self.stamps.back_mut() {
            // Also if the clock went back: then the stamp is dated later than it was.
            Some(last) if at <= last.at => last.tokens += tokens,
            _ => {
                self.serial += 1;
                let serial = self.serial;
                self.stamps.push_back(Stamp { at, tokens, serial });
            }
        }
    }
}

impl Limiter for SlidingWindow {
    type Cost = u32;
    type Permit = WindowPermit;
    type Feedback = ();

    const COMPLETES: bool = false;
    const MAX_LAG: Duration = Duration::ZERO;

    #[inline]
    fn check(&self, cost: &u32, now: Instant) -> Wait {
        self.predict(0, cost, now)
    }

    fn take(&mut self, cost: u32, at: Instant) -> WindowPermit {
        if cost > 0 {
            self.forget(at);
            self.stamp(cost, at);
        }
        WindowPermit {
            tokens: cost,
            serial: self.serial,
        }
    }

    /// Counts the tokens no more. Tokens that have left the window are not counted anyway.
    fn cancel(&mut self, permit: WindowPermit, _now: Instant) {
        let found = self
            .stamps
            .binary_search_by_key(&permit.serial, |stamp| stamp.serial);
        if let Ok(index) = found {
            let tokens = u64::from(permit.tokens);
            self.tokens -= tokens;
            self.stamps[index].tokens -= tokens;
            if self.stamps[index].tokens == 0 {
                self.stamps.remove(index);
            }
        }
    }

    /// Exact if nobody is ahead, or if all cost the same and the limit is a multiple of that. In
    /// other mixtures room may stay unused because the next in line doesn't fit; then the answer is
    /// the earliest that is possible.
    fn predict(&self, ahead: u64, cost: &u32, now: Instant) -> Wait {
        if *cost > self.rate.events() {
            return Wait::Never;
        }
        self.wait(ahead.saturating_add(u64::from(*cost)), now)
    }

    fn describe(&self, snapshot: &mut Snapshot, now: Instant) {
        snapshot.level = Some(self.level(now));
        snapshot.burst = Some(self.rate.events());
        snapshot.rate = Some(self.rate.as_per_second_f64());
    }
}
