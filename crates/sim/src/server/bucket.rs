use std::time::Duration;

use super::{Arrival, Disclosure, Server};

/// A token bucket, full at the beginning: `quota` tokens flow in per window, at most `burst` stay.
///
/// Not the client's bucket, on purpose: a mistake in that one must not be made twice.
#[derive(Debug, Clone)]
pub struct Bucket {
    quota: u32,
    window: Duration,
    burst: u32,
    /// What is missing from a full bucket. One token is as much as the window has nanoseconds, and
    /// each nanosecond brings `quota`: no division, nothing to round.
    missing: u128,
    settled: Duration,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub const fn new(quota: u32, window: Duration, burst: u32) -> Self {
        Self {
            quota,
            window,
            burst,
            missing: 0,
            settled: Duration::ZERO,
        }
    }

    fn token(&self) -> u128 {
        self.window.as_nanos()
    }

    fn settle(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.settled);
        let inflow = elapsed.as_nanos() * u128::from(self.quota);
        self.missing = self.missing.saturating_sub(inflow);
        self.settled = self.settled.max(now);
    }

    /// How long until so much has flowed in.
    fn time_for(&self, amount: u128) -> Duration {
        let nanos = amount.div_ceil(u128::from(self.quota.max(1)));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Server for Bucket {
    fn arrive(&mut self, now: Duration) -> Arrival {
        self.settle(now);
        if self.missing + self.token() > self.token() * u128::from(self.burst) {
            return Arrival::Refused;
        }
        self.missing += self.token();
        Arrival::Accepted
    }

    fn resize(&mut self, quota: u32, now: Duration) -> u32 {
        self.settle(now);
        self.quota = quota;
        0
    }

    fn fullness(&self) -> f64 {
        let burst = self.window.as_secs_f64() * f64::from(self.burst);
        self.time_for(self.missing).as_secs_f64() * f64::from(self.quota) / burst
    }

    /// The reset is when the next token is there, or if one is there, when the bucket is full.
    fn disclose(&mut self, now: Duration) -> Disclosure {
        self.settle(now);
        let tokens = self.token() * u128::from(self.burst) - self.missing;
        let remaining = u32::try_from(tokens / self.token()).unwrap_or(self.burst);
        let amount = if remaining == 0 {
            self.token() - tokens
        } else {
            self.missing
        };
        Disclosure {
            limit: self.burst,
            remaining,
            reset: self.time_for(amount),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_per_interval() {
        let at = Duration::from_millis;
        let mut server = Bucket::new(10, Duration::from_secs(1), 2);
        let arrivals = [0, 0, 99, 100, 150, 200].map(|now| server.arrive(at(now)));

        use Arrival::{Accepted, Refused};
        assert_eq!(
            arrivals,
            [Accepted, Accepted, Refused, Accepted, Refused, Accepted]
        );
        assert_eq!(server.disclose(at(230)).reset, at(70));
    }
}
