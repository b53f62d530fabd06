//! A limiter for the examples in these docs.

use std::time::{Duration, Instant};

use crate::{Limiter, Wait};

/// Lets one request through each second.
#[derive(Debug, Clone, Default)]
pub struct OnePerSecond {
    free_at: Option<Instant>,
}

impl Limiter for OnePerSecond {
    type Cost = ();
    type Permit = ();
    type Feedback = ();
    const COMPLETES: bool = false;

    fn check(&self, _cost: &(), now: Instant) -> Wait {
        self.free_at.map_or(Wait::Now, |at| Wait::until(at, now))
    }

    fn take(&mut self, _cost: (), at: Instant) {
        self.free_at = Some(at + Duration::from_secs(1));
    }

    fn cancel(&mut self, _permit: (), now: Instant) {
        self.free_at = Some(now);
    }
}
