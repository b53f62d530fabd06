use std::time::{Duration, Instant};

use tower_throttle_core::{Limiter, Outcome, Wait};

/// No limit: what a client without a limiter does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl Limiter for Unlimited {
    type Cost = ();
    type Permit = ();
    type Feedback = Outcome;

    const COMPLETES: bool = false;
    const MAX_LAG: Duration = Duration::MAX;

    fn check(&self, _cost: &(), _now: Instant) -> Wait {
        Wait::Now
    }

    fn take(&mut self, _cost: (), _at: Instant) {}

    fn cancel(&mut self, _permit: (), _now: Instant) {}
}
