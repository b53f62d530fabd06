use std::{collections::VecDeque, time::Duration};

use super::{Arrival, Disclosure, Server, count, share};

/// Remembers what it let in, and lets so many in per window, wherever that begins.
#[derive(Debug, Clone)]
pub struct SlidingLog {
    quota: u32,
    window: Duration,
    log: VecDeque<Duration>,
}

impl SlidingLog {
    /// An empty log.
    #[must_use]
    pub const fn new(quota: u32, window: Duration) -> Self {
        Self {
            quota,
            window,
            log: VecDeque::new(),
        }
    }

    fn forget(&mut self, now: Duration) {
        let window = self.window;
        let over = |&&at: &&Duration| at + window <= now;
        let forgotten = self.log.iter().take_while(over).count();
        self.log.drain(..forgotten);
    }

    fn used(&self) -> u32 {
        count(self.log.len())
    }
}

impl Server for SlidingLog {
    fn arrive(&mut self, now: Duration) -> Arrival {
        self.forget(now);
        if self.used() >= self.quota {
            return Arrival::Refused;
        }
        // Time that goes backwards must not put the log out of order.
        let at = self.log.back().map_or(now, |&last| last.max(now));
        self.log.push_back(at);
        Arrival::Accepted
    }

    fn resize(&mut self, quota: u32, _now: Duration) -> u32 {
        self.quota = quota;
        0
    }

    fn fullness(&self) -> f64 {
        share(self.used(), self.quota)
    }

    fn disclose(&mut self, now: Duration) -> Disclosure {
        self.forget(now);
        let oldest = self.log.front().map(|&oldest| oldest + self.window);
        Disclosure {
            limit: self.quota,
            remaining: self.quota.saturating_sub(self.used()),
            reset: oldest.unwrap_or(now).saturating_sub(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_forgotten_after_a_window() {
        let at = Duration::from_millis;
        let mut server = SlidingLog::new(2, Duration::from_secs(1));
        let arrivals = [0, 500, 999, 1000, 1001].map(|now| server.arrive(at(now)));

        use Arrival::{Accepted, Refused};
        assert_eq!(arrivals, [Accepted, Accepted, Refused, Accepted, Refused]);
        assert_eq!(server.disclose(at(1100)).reset, at(400));
    }
}
