use std::time::{Duration, Instant};

use tower_throttle_core::Outcome;

use super::{Nepers, nepers};
use crate::{Cause, Sample};

/// A window closes with so many calls, if it has been open for [`SHORTEST`] (Netflix's
/// `WindowedLimit` waits for 10, too).
const CALLS: u32 = 10;
const SHORTEST: Duration = Duration::from_millis(300);

/// A window closes with fewer calls after so many seconds, or after so many times their latency.
const LONGEST: f64 = 2.0;
const LATENCIES: f64 = 3.0;

/// The calls that were sent and answered since the limit was last changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    /// Calls that were sent up to then tell of another limit.
    after: Option<Instant>,
    opened: Option<Instant>,
    answered: u32,
    /// Of the logarithms of latencies: one slow call in a hundred doesn't count as a hundred.
    sum: Nepers,
    dropped: u32,
    throttled: bool,
    peak: u32,
}

impl Window {
    /// Sends everything away that is sent up to `now`.
    pub(super) fn after(now: Instant) -> Self {
        Self {
            after: Some(now),
            opened: Some(now),
            ..Self::default()
        }
    }

    /// Adds a call. False if it was sent before the limit was changed.
    pub(super) fn add(&mut self, sample: &Sample) -> bool {
        if self.after.is_some_and(|after| sample.started <= after) {
            return false;
        }
        self.opened.get_or_insert(sample.started);
        self.peak = self.peak.max(sample.in_flight);
        if sample.outcome == Outcome::Succeeded {
            self.answered = self.answered.saturating_add(1);
            self.sum += nepers(sample.latency());
        } else {
            self.dropped = self.dropped.saturating_add(1);
            self.throttled |= sample.outcome == Outcome::Throttled;
        }
        true
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        let open_for = self
            .opened
            .map(|opened| now.saturating_duration_since(opened));
        let open_for = open_for.unwrap_or_default();
        if self.calls() >= CALLS {
            return open_for >= SHORTEST;
        }
        let latency = self.latency().map_or(0.0, f64::exp);
        open_for.as_secs_f64() >= LONGEST.max(LATENCIES * latency)
    }

    /// The geometric mean of the latencies.
    pub(super) fn latency(&self) -> Option<Nepers> {
        (self.answered > 0).then(|| self.sum / f64::from(self.answered))
    }

    /// Throttled or failed calls, of all.
    pub(super) fn drop_share(&self) -> f64 {
        f64::from(self.dropped) / f64::from(self.calls().max(1))
    }

    pub(super) fn drop_cause(&self) -> Cause {
        if self.throttled {
            Cause::Throttled
        } else {
            Cause::Failed
        }
    }

    fn calls(&self) -> u32 {
        self.answered.saturating_add(self.dropped)
    }

    /// The most in flight at once.
    pub(super) fn peak(&self) -> u32 {
        self.peak
    }
}
