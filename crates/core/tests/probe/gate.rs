use std::time::Instant;

use tower_throttle_core::{Limiter, Snapshot, Wait};

/// Lets all pass, or nobody: until an instant, or until somebody opens it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Gate {
    Open,
    ClosedUntil(Instant),
    Closed,
    /// For good.
    Bricked,
}

impl Limiter for Gate {
    type Cost = ();
    type Permit = ();
    type Feedback = ();
    const COMPLETES: bool = false;

    fn check(&self, _cost: &(), now: Instant) -> Wait {
        match *self {
            Self::Open => Wait::Now,
            Self::ClosedUntil(at) => Wait::until(at, now),
            Self::Closed => Wait::Changed,
            Self::Bricked => Wait::Never,
        }
    }

    fn take(&mut self, _cost: (), _at: Instant) {}

    fn cancel(&mut self, _permit: (), _now: Instant) {}

    fn predict(&self, _ahead: (), cost: &(), now: Instant) -> Wait {
        self.check(cost, now)
    }

    fn describe(&self, snapshot: &mut Snapshot, _now: Instant) {
        if let Self::ClosedUntil(at) = *self {
            snapshot.resume_at = Some(at);
        }
    }
}
