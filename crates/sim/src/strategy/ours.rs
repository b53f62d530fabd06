//! The layers of this suite, as its users stack them.

use std::time::Duration;

use tower::ServiceBuilder;
use tower_throttle_aimd::{Adaptive, AdaptiveLayer, AimdLayer, Law, Paced, PacedLayer};
use tower_throttle_congestion::{Congestion, CongestionLayer, Estimator, Gradient};
use tower_throttle_core::now;
use tower_throttle_retry_after::{RetryAfterLayer, RetryLayer};
use tower_throttle_token_bucket::TokenBucketLayer;

use super::{Seat, Stack};
use crate::wire::Wire;

/// A rejected request goes back through the line.
fn retry(seat: &Seat) -> RetryLayer {
    RetryLayer::around_adaptive().generator(seat.generator(0))
}

/// Told what the server lets in, and not how many clients there are.
pub(super) fn token_bucket(seat: &Seat, wire: Wire) -> Stack {
    let mut bucket = TokenBucketLayer::new(seat.rate);
    if let Some(max_wait) = seat.max_wait {
        bucket = bucket.max_wait(max_wait);
    }
    let stack = ServiceBuilder::new()
        .layer(retry(seat))
        .layer(bucket)
        .service(wire);
    Stack::new(stack)
}

/// Finds its share by itself.
pub(super) fn adaptive(seat: &Seat, wire: Wire) -> Stack {
    let layer = AdaptiveLayer::new()
        .window(seat.window)
        .max_rate(seat.rate)
        .seed(seat.seed);
    paced(seat, layer, wire)
}

/// Finds a rate and a concurrency, in one line. The gate leaves to the law what is the law's, as it does
/// in the layer of the law alone.
pub(super) fn pair(seat: &Seat, wire: Wire) -> Stack {
    let law = Adaptive::new()
        .window(seat.window)
        .max_rate(seat.rate)
        .seed(seat.seed);
    let gradient = Gradient::new().meeting(now());
    let concurrency = Congestion::with(gradient).beside_rate().seed(seat.seed);
    let layer = RetryAfterLayer::new()
        .default_pause(Duration::ZERO)
        .max_spread(Duration::ZERO)
        .max_wait(seat.max_wait.unwrap_or(Duration::MAX))
        .and((Paced::new(law, now()), concurrency));
    let limiter = layer.limiter().clone();
    let stack = ServiceBuilder::new()
        .layer(retry(seat))
        .layer(layer)
        .service(wire);
    Stack::watched(stack, move || limiter.snapshot())
}

/// Finds it the classic way.
pub(super) fn aimd(seat: &Seat, layer: AimdLayer, wire: Wire) -> Stack {
    paced(seat, layer.window(seat.window).seed(seat.seed), wire)
}

/// Whatever a layer's own limit on waiting is, here the user's counts: by default there is none.
fn paced<L: Law>(seat: &Seat, layer: PacedLayer<L>, wire: Wire) -> Stack {
    let stack = ServiceBuilder::new()
        .layer(retry(seat))
        .layer(layer.max_wait(seat.max_wait.unwrap_or(Duration::MAX)))
        .service(wire);
    Stack::new(stack)
}

/// The layer of [`CongestionLayer::new`], but that hosts agree when a run began, as there is no other time.
pub(super) fn gradient() -> CongestionLayer {
    CongestionLayer::with(Gradient::new().meeting(now()))
}

/// The same for hosts each of which has dates of its own, as their clocks don't agree: by up to the 80 s between two
/// probes.
pub(super) fn gradient_apart(seat: &Seat) -> CongestionLayer {
    let ahead = Duration::from_secs(80).mul_f64(seat.generator(1).unit());
    CongestionLayer::with(Gradient::new().meeting(now() + ahead))
}

/// Limits how many are in flight.
pub(super) fn congestion<E>(seat: &Seat, layer: CongestionLayer<E>, wire: Wire) -> Stack
where
    E: Estimator + Clone,
{
    let layer = layer
        .seed(seat.seed)
        .max_wait(seat.max_wait.unwrap_or(Duration::MAX));
    let limiter = layer.limiter().clone();
    let stack = ServiceBuilder::new()
        .layer(retry(seat))
        .layer(layer)
        .service(wire);
    Stack::watched(stack, move || limiter.snapshot())
}
