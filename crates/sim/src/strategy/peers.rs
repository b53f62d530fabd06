//! What others do.

use std::time::Duration;

use tower_layer::Layer as _;
use tower_throttle_jitter::{Backoff, Jitter};
use tower_throttle_retry_after::{RetryLayer, retry::Budget};

use super::{Caller, Seat};
use crate::wire::Wire;

/// Retries five times, after 1, 2, 4, 8 and 16 seconds, half of it random, or later if the server says
/// so; there is no limiter.
pub(super) fn none(seat: &Seat, wire: Wire) -> Caller {
    let backoff = Backoff::new(Duration::from_secs(1)).cap(Duration::from_secs(16));
    let layer = RetryLayer::new()
        .max_retries(5)
        .max_wait(Duration::MAX)
        .budget(Budget::unlimited())
        .throttled_backoff(backoff.jitter(Jitter::equal()))
        .generator(seat.generator(0));
    Caller::new(layer.layer(wire))
}
