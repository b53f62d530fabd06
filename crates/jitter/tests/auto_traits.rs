//! What may cross threads, and be moved and kept.

use tower_throttle_jitter::{
    Backoff, Delays, Generator, InvalidFactor, Jitter, JitterLayer, Jittered,
    future::ResponseFuture,
};

fn free<T: Send + Sync + Unpin + 'static>() {}
fn send<T: Send + Sync>() {}

#[test]
fn every_public_type_is_free_to_go_anywhere() {
    free::<Backoff>();
    free::<Delays>();
    free::<Generator>();
    free::<InvalidFactor>();
    free::<Jitter>();
    free::<JitterLayer>();
    free::<Jittered<()>>();
    // Not `Unpin`: the timer and the inner future are held in place, unboxed.
    send::<ResponseFuture<tower_test::mock::Mock<(), ()>, ()>>();
}
