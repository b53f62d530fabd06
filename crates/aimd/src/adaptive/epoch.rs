use std::time::{Duration, Instant};

use crate::Cause;

/// So many requests that were delivered say something.
const ENOUGH: f64 = 5.0;

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

    /// If the law was younger than the time over which it counts, the time until requests are accepted
    /// again counts too: what was delivered is what there was for all of it. (A window that a rush has
    /// used up in a third of its length bears a third of the rate of the rush.)
    ///
    /// Not if next to nothing was delivered: then it says how full the server was before, not what can be
    /// had.
    pub(super) fn lasted(self, span: Duration) -> Self {
        let (before, all) = (self.span.as_secs_f64(), span.as_secs_f64());
        if all <= before || self.delivered * before < ENOUGH {
            return self;
        }
        let delivered = self.delivered * before / all;
        Self {
            delivered,
            span,
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
