//! The layers of this suite, as its users stack them.

use tower::ServiceBuilder;
use tower_throttle_retry_after::RetryLayer;
use tower_throttle_token_bucket::TokenBucketLayer;

use super::{Caller, Seat};
use crate::wire::Wire;

/// A rejected request goes back through the line.
fn retry(seat: &Seat) -> RetryLayer {
    RetryLayer::around_adaptive().generator(seat.generator(0))
}

/// Told what the server lets in, and not how many clients there are.
pub(super) fn token_bucket(seat: &Seat, wire: Wire) -> Caller {
    let mut bucket = TokenBucketLayer::new(seat.rate);
    if let Some(max_wait) = seat.max_wait {
        bucket = bucket.max_wait(max_wait);
    }
    let stack = ServiceBuilder::new()
        .layer(retry(seat))
        .layer(bucket)
        .service(wire);
    Caller::new(stack)
}
