use std::time::Duration;

use super::{Arrival, Disclosure, Server, share};

/// Lets so many requests in per window, and counts from zero when the next window begins.
#[derive(Debug, Clone)]
pub struct FixedWindow {
    quota: u32,
    window: Duration,
    /// By how much the beginning of the run is later than that of some window; there is none before
    /// the first request.
    shift: Option<Duration>,
    /// Which window it is, and what was let in.
    current: u128,
    used: u32,
}

impl FixedWindow {
    /// The first window begins with the first request.
    ///
    /// # Panics
    ///
    /// If the window is of no length.
    #[must_use]
    pub fn new(quota: u32, window: Duration) -> Self {
        assert!(!window.is_zero(), "a window has a length");
        Self {
            quota,
            window,
            shift: None,
            current: 0,
            used: 0,
        }
    }

    /// A window begins this long after the beginning of the run, and then again and again.
    #[must_use]
    pub fn phase(self, phase: Duration) -> Self {
        Self {
            shift: Some(shift_to(phase, self.window)),
            ..self
        }
    }

    /// How long the present window has lasted, if time only moves forwards.
    fn advance(&mut self, now: Duration) -> Duration {
        let shift = *self.shift.get_or_insert_with(|| shift_to(now, self.window));
        let since = now.as_nanos() + shift.as_nanos();
        let index = since / self.window.as_nanos();
        if index > self.current {
            (self.current, self.used) = (index, 0);
        }
        let begin = self.current * self.window.as_nanos();
        let into = u64::try_from(since.saturating_sub(begin)).unwrap_or(u64::MAX);
        Duration::from_nanos(into)
    }
}

/// By how much `begin` must be shifted to be a multiple of the window.
fn shift_to(begin: Duration, window: Duration) -> Duration {
    let into = begin.as_nanos() % window.as_nanos();
    let shift = (window.as_nanos() - into) % window.as_nanos();
    Duration::from_nanos(u64::try_from(shift).unwrap_or(0))
}

impl Server for FixedWindow {
    fn arrive(&mut self, now: Duration) -> Arrival {
        self.advance(now);
        if self.used >= self.quota {
            return Arrival::Refused;
        }
        self.used += 1;
        Arrival::Accepted
    }

    fn resize(&mut self, quota: u32, now: Duration) -> u32 {
        self.advance(now);
        self.quota = quota;
        0
    }

    fn fullness(&self) -> f64 {
        share(self.used, self.quota)
    }

    fn disclose(&mut self, now: Duration) -> Disclosure {
        let into = self.advance(now);
        Disclosure {
            limit: self.quota,
            remaining: self.quota.saturating_sub(self.used),
            reset: self.window.saturating_sub(into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_first_window_begins_with_the_first_request() {
        let mut server = FixedWindow::new(1, SECOND);
        let arrivals = [700, 1699, 1700, 2699, 2700].map(|now| server.arrive(at(now)));

        use Arrival::{Accepted, Refused};
        assert_eq!(arrivals, [Accepted, Refused, Accepted, Refused, Accepted]);
    }

    #[test]
    fn the_phase_says_when_a_window_begins() {
        let mut server = FixedWindow::new(1, SECOND).phase(at(300));
        let arrivals = [0, 299, 300, 1299, 1300].map(|now| server.arrive(at(now)));

        use Arrival::{Accepted, Refused};
        assert_eq!(arrivals, [Accepted, Refused, Accepted, Refused, Accepted]);
    }

    #[test]
    fn the_reset_is_when_the_next_window_begins() {
        let mut server = FixedWindow::new(2, SECOND).phase(at(300));
        server.arrive(at(400));
        let disclosure = server.disclose(at(550));

        assert_eq!((disclosure.limit, disclosure.remaining), (2, 1));
        assert_eq!(disclosure.reset, at(750));
    }

    #[test]
    fn a_smaller_quota_binds_at_once() {
        let mut server = FixedWindow::new(10, SECOND).phase(at(0));
        server.arrive(at(0));
        server.resize(1, at(10));

        assert_eq!(server.arrive(at(20)), Arrival::Refused);
        assert_eq!(server.arrive(at(1000)), Arrival::Accepted);
    }
}
