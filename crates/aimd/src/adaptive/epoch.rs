use std::time::{Duration, Instant};

use crate::Cause;

/// One time of congestion: from the first refusal until requests are accepted again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch {
    pub(super) began: Instant,
    /// The rate that was too much.
    pub(super) rate_before: f64,
    /// What came through before.
    pub(super) delivered: f64,
    /// The time over which that was counted.
    pub(super) span: Duration,
    /// The rate until it is over.
    pub(super) rate: f64,
    /// Of requests that were sent after the last cut.
    pub(super) refusals: u32,
}

impl Epoch {
    pub(super) fn refused_again(self, rate: f64) -> Self {
        let refusals = self.refusals.saturating_add(1);
        Self {
            rate,
            refusals,
            ..self
        }
    }

    pub(super) fn cause(&self) -> Cause {
        if self.refusals == 1 {
            Cause::Throttled
        } else {
            Cause::ThrottledAgain
        }
    }
}
