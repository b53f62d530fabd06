use std::time::{Duration, Instant};

use tower_throttle_core::{Invalid, Limiter, Outcome, Snapshot, Wait};
use tower_throttle_jitter::Generator;
use tower_throttle_token_bucket::{Rate, TokenBucket, TokenPermit};

/// An oracle: a client that knows how many share the quota, and paces its requests to its part.
///
/// One request per `N · W ÷ Q`, never two at once, the first at a random time within that. So of a
/// fixed window all of the quota is used and nothing refused, as long as every client has something to
/// send: the mark to measure those against who must find their share.
///
/// It takes the whole share. At 0.98 of it, a fixed window of 100 per minute is used to 98 % without a
/// refusal; at 1.00 to 99.8–100 % with at most 0.23 refusals per 100 accepted.
#[derive(Debug)]
pub struct ShareOfN(TokenBucket);

impl ShareOfN {
    /// One of `clients` that share `quota` requests per `window`.
    ///
    /// # Errors
    ///
    /// If there are no clients, no quota, or no window, or the share is too small to be told.
    pub fn new(
        quota: u32,
        window: Duration,
        clients: u32,
        now: Instant,
        generator: &mut Generator,
    ) -> Result<Self, Invalid> {
        if clients == 0 {
            return Err(Invalid::new("clients", clients, "at least 1"));
        }
        let rate = Rate::try_per(quota, window.saturating_mul(clients))?;
        let interval = window.saturating_mul(clients) / quota;
        let already = interval.mul_f64(generator.unit());
        let since = now.checked_sub(already).unwrap_or(now);
        Ok(Self(TokenBucket::new(rate, since).initial_level(0)))
    }
}

impl Limiter for ShareOfN {
    type Cost = ();
    type Permit = TokenPermit;
    type Feedback = Outcome;

    const COMPLETES: bool = false;

    fn check(&self, _cost: &(), now: Instant) -> Wait {
        self.0.check(&1, now)
    }

    fn take(&mut self, _cost: (), at: Instant) -> TokenPermit {
        self.0.take(1, at)
    }

    fn cancel(&mut self, permit: TokenPermit, now: Instant) {
        self.0.cancel(permit, now);
    }

    fn describe(&self, snapshot: &mut Snapshot, now: Instant) {
        self.0.describe(snapshot, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::testing::start;

    const MINUTE: Duration = Duration::from_secs(60);

    fn dates(seed: u64, clients: u32, count: usize) -> Vec<Duration> {
        let t0 = start() + MINUTE * 10;
        let mut generator = Generator::seeded(seed);
        let mut share = ShareOfN::new(100, MINUTE, clients, t0, &mut generator).unwrap();
        let mut now = t0;
        std::iter::repeat_with(|| {
            if let Wait::Until(due) = share.check(&(), now) {
                now = due;
            }
            assert_eq!(share.check(&(), now), Wait::Now);
            share.take((), now);
            now - t0
        })
        .take(count)
        .collect()
    }

    #[test]
    fn a_share_is_sent_evenly() {
        let dates = dates(1, 10, 20);
        for pair in dates.windows(2) {
            assert_eq!(pair[1] - pair[0], Duration::from_secs(6));
        }
    }

    #[test]
    fn the_first_request_comes_at_a_random_time_within_one_interval() {
        let firsts: Vec<_> = (0..50).map(|seed| dates(seed, 10, 1)[0]).collect();
        assert!(firsts.iter().all(|&at| at <= Duration::from_secs(6)));
        assert!(firsts.iter().any(|&at| at < Duration::from_secs(1)));
        assert!(firsts.iter().any(|&at| at > Duration::from_secs(5)));
    }

    #[test]
    fn nobody_can_share_with_nobody() {
        let mut generator = Generator::seeded(1);
        let now = start();
        assert!(ShareOfN::new(100, MINUTE, 0, now, &mut generator).is_err());
        assert!(ShareOfN::new(0, MINUTE, 1, now, &mut generator).is_err());
        assert!(ShareOfN::new(100, Duration::ZERO, 1, now, &mut generator).is_err());
    }
}
