use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tower_throttle_core::{Limiter, Snapshot, Wait};

use crate::{Rate, time::later};

/// Lets at most so many tokens through in *every* window of time.
///
/// With 3 per period, a request passes when the third before it is a period old:
///
/// ```text
///  time      0   1   2   3   4   5   6   7   8     a period is 4
///  offered   2       3           3
///  admitted  2       1       2       1       2
///  inside    2   2   3   3   3   3   3   3   3     since the last period
/// ```
///
/// That is: at most [`events`](Rate::events) tokens in each half-open interval *[t, t + period)*, for
/// all *t*, by the clock and not only on average. That is when they are granted: one that waited is
/// sent within [`SHELF_LIFE`](tower_throttle_core::SHELF_LIFE) of it, and what a ready service or a
/// caller holds when it pleases.
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
/// entries of 24 bytes. Checking looks at no more of them than the request has tokens; taking drops
/// those that have expired. Predicting the wait behind others, and cancelling, may look at all.
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
    /// Oldest first; no two of the same instant.
    stamps: VecDeque<Stamp>,
    /// The tokens of all stamps.
    tokens: u64,
    /// The latest instant at which something was taken or changed. No stamp is dated before it, even
    /// if the clock goes back.
    latest: Option<Instant>,
}

/// The tokens that were taken at one instant.
#[derive(Debug, Clone)]
struct Stamp {
    at: Instant,
    tokens: u64,
}

/// Tokens that were taken from a [`SlidingWindow`].
#[derive(Debug)]
pub struct WindowPermit {
    tokens: u32,
    at: Instant,
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
            latest: None,
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

    /// Drops what has expired. Returns `now`, or the latest instant if that is later.
    fn forget(&mut self, now: Instant) -> Instant {
        let count = self.expired(now).count();
        let tokens: u64 = self.stamps.drain(..count).map(|stamp| stamp.tokens).sum();
        self.tokens -= tokens;
        *self
            .latest
            .insert(self.latest.map_or(now, |at| at.max(now)))
    }

    fn stamp(&mut self, tokens: u32, at: Instant) {
        let tokens = u64::from(tokens);
        self.tokens += tokens;
        match self.stamps.back_mut() {
            Some(last) if last.at == at => last.tokens += tokens,
            _ => self.stamps.push_back(Stamp { at, tokens }),
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
        let at = self.forget(at);
        if cost > 0 {
            self.stamp(cost, at);
        }
        WindowPermit { tokens: cost, at }
    }

    /// Counts the tokens no more. Tokens that have left the window are not counted anyway.
    fn cancel(&mut self, permit: WindowPermit, _now: Instant) {
        let found = self
            .stamps
            .binary_search_by_key(&permit.at, |stamp| stamp.at);
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

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "some instant is needed to begin with"
)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn window(events: u32, seconds: u32) -> (SlidingWindow, Instant) {
        let rate = Rate::per(events, seconds * SECOND);
        (SlidingWindow::new(rate), Instant::now())
    }

    /// When requests of cost 1 pass that are offered at these milliseconds.
    fn paced(mut window: SlidingWindow, t0: Instant, offered: &[u64]) -> Vec<u128> {
        let mut now = t0;
        let mut pace = |ms: &u64| {
            now = now.max(t0 + Duration::from_millis(*ms));
            if let Wait::Until(at) = window.check(&1, now) {
                now = at;
            }
            window.take(1, now);
            (now - t0).as_millis()
        };
        offered.iter().map(&mut pace).collect()
    }

    #[test]
    fn requests_pass_when_earlier_ones_are_a_period_old() {
        let (window, t0) = window(3, 4);

        let admitted = paced(window, t0, &[0, 0, 2000, 2000, 2000, 5000, 5000, 5000]);

        assert_eq!(admitted, [0, 0, 2000, 4000, 4000, 6000, 8000, 8000]);
    }

    #[test]
    fn a_stamp_exactly_a_period_old_has_expired() {
        let (mut window, t0) = window(1, 1);
        window.take(1, t0);

        assert_eq!(window.level(t0 + SECOND - Duration::from_nanos(1)), 0);
        assert_eq!(window.level(t0 + SECOND), 1);
        assert_eq!(window.check(&1, t0), Wait::Until(t0 + SECOND));
    }

    #[test]
    fn a_large_cost_waits_until_all_of_it_fits() {
        let (mut window, t0) = window(4, 10);
        window.take(1, t0);
        window.take(2, t0 + SECOND);

        let now = t0 + 2 * SECOND;
        assert_eq!(window.check(&1, now), Wait::Now);
        assert_eq!(window.check(&2, now), Wait::Until(t0 + 10 * SECOND));
        assert_eq!(window.check(&4, now), Wait::Until(t0 + 11 * SECOND));
        assert_eq!(window.check(&5, now), Wait::Never);
    }

    #[test]
    fn a_line_is_predicted_period_by_period() {
        let (mut window, t0) = window(2, 10);
        window.take(1, t0);
        window.take(1, t0 + SECOND);

        let due = |ahead| window.predict(ahead, &1, t0 + SECOND);
        let after = |seconds| Wait::Until(t0 + seconds * SECOND);
        assert_eq!([0, 1, 2, 3, 4].map(due), [10, 11, 20, 21, 30].map(after));
    }

    #[test]
    fn a_permit_takes_back_its_own_tokens_only() {
        let (mut window, t0) = window(5, 1);
        let mine = window.take(2, t0);
        window.take(1, t0);

        window.cancel(mine, t0);

        assert_eq!(window.level(t0), 4);
    }

    #[test]
    fn a_permit_that_has_expired_takes_nothing_back() {
        let (mut window, t0) = window(5, 1);
        let mine = window.take(2, t0);
        window.take(1, t0 + SECOND);

        window.cancel(mine, t0 + SECOND);

        assert_eq!(window.level(t0 + SECOND), 4);
    }

    #[test]
    fn memory_is_bounded_by_the_limit() {
        let (mut window, t0) = window(10, 1);
        for n in 0..10_000 {
            let now = t0 + Duration::from_millis(n);
            if window.check(&1, now) == Wait::Now {
                window.take(1, now);
            }
            let dropped = window.take(1, now);
            window.cancel(dropped, now);
        }

        assert!(window.stamps.len() <= 10);
    }

    #[test]
    fn what_has_passed_counts_by_the_new_rate() {
        let (mut window, t0) = window(2, 1);
        window.take(2, t0);

        window.set_rate(Rate::per(1, 5 * SECOND), t0);

        assert_eq!(window.level(t0), -1);
        assert_eq!(window.check(&1, t0), Wait::Until(t0 + 5 * SECOND));
    }

    #[test]
    fn what_has_expired_does_not_come_back_with_a_longer_period() {
        let (mut window, t0) = window(2, 1);
        window.take(2, t0);

        window.set_rate(Rate::per(2, 5 * SECOND), t0 + SECOND);

        assert_eq!(window.level(t0 + SECOND), 2);
    }

    #[test]
    fn a_clock_that_goes_back_lets_nothing_more_through() {
        let (mut window, t0) = window(1, 1);
        window.take(1, t0 + 10 * SECOND);

        assert_eq!(window.check(&1, t0), Wait::Until(t0 + 11 * SECOND));
    }
}
