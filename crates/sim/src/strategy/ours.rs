//! The layers of this suite, as its users stack them.

use tower::ServiceBuilder;
use tower_throttle_retry_after::RetryLayer;
use tower_throttle_token_bucket::{Rate, TokenBucketLayer};

use super::{Caller, Seat};
use crate::wire::Wire;

/// A rejected request goes back through the line.
fn retry(seat: &Seat) -> RetryLayer {
    RetryLayer::around_adaptive().generator(seat.generator(0))
}

/// Paces to `rate`, evenly.
pub(super) fn token_bucket(seat: &Seat, rate: Rate, wire: Wire) -> Caller {
    let mut bucket = TokenBucketLayer::new(rate);
    if let Some(max_wait) = seat.max_wait {
        bucket = bucket.max_wait(max_wait);
    }
    let stack = ServiceBuilder::new()
        .layer(retry(seat))
        .layer(bucket)
        .service(wire);
    Caller::new(stack)
}

/// Paces to a fair share of what the server lets in.
pub(super) fn share_of_n(seat: &Seat, wire: Wire) -> Caller {
    let whole = seat.rate;
    let share = Rate::per(whole.events(), whole.period() * seat.clients);
    token_bucket(seat, share, wire)
}
