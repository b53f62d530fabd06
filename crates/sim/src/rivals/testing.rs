//! What the tests of the rivals share.

use std::time::{Duration, Instant};

use super::Sample;

/// Some time to start at.
pub(super) fn start() -> Instant {
    tower_throttle_core::now()
}

/// A call of this latency, when so many were in flight.
pub(super) fn call(latency_ms: u64, in_flight: u32) -> Sample {
    Sample {
        now: start(),
        latency: Duration::from_millis(latency_ms),
        in_flight,
        is_drop: false,
    }
}

/// A call that was refused.
pub(super) fn dropped(in_flight: u32) -> Sample {
    Sample {
        is_drop: true,
        ..call(30, in_flight)
    }
}
