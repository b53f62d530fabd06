//! The rows of this suite. Everything that the bench knows of it is here.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use http::Request;
use tower::{Layer, Service};
use tower_throttle_congestion::CongestionLayer;
use tower_throttle_core::{Limiter, Wait};
use tower_throttle_token_bucket::{Rate, SharedBucket, TokenBucket, TokenBucketLayer};

use crate::{
    admission::PLENTY,
    call::{Drive, Echo},
    rounds::Subject,
    wait::{Acquire, Called, Contender, Crowd},
};

pub(crate) const FUTURE: &str = "tower-throttle";
pub(crate) const BACKPRESSURE: &str = "tower-throttle, backpressure";
const SHARED: &str = "tower-throttle SharedBucket";

/// Whether targets apply to the row.
pub(crate) fn is_ours(name: &str) -> bool {
    [FUTURE, BACKPRESSURE, SHARED].contains(&name)
}

/// The policy alone, with and without reading the clock, and shared.
pub(crate) fn admission() -> Vec<Subject> {
    let mut now = Instant::now();
    let mut bucket = TokenBucket::new(Rate::per_second(PLENTY), now).burst(PLENTY);
    let mut told = bucket.clone();
    let shared = SharedBucket::new(Rate::per_second(PLENTY)).burst(PLENTY);
    vec![
        Subject::repeated("TokenBucket, told the time", move || {
            now += Duration::from_nanos(20);
            pass(&mut told, now)
        }),
        Subject::repeated("TokenBucket + Instant::now", move || {
            pass(&mut bucket, Instant::now())
        }),
        Subject::repeated(SHARED, move || {
            shared.try_acquire(1).map(|permit| drop(permit.spend()))
        }),
    ]
}

fn pass(bucket: &mut TokenBucket, now: Instant) -> bool {
    let pass = bucket.check(&1, now) == Wait::Now;
    if pass {
        bucket.take(1, now);
    }
    pass
}

/// Both forms of the layer.
pub(crate) fn call<R>(drive: &impl Drive, request: fn() -> R) -> Vec<Subject>
where
    Echo: Service<R, Error = Infallible, Future: Send>,
    R: Send + 'static,
{
    let layer = || TokenBucketLayer::new(Rate::per_second(PLENTY)).burst(PLENTY);
    vec![
        drive.subject(FUTURE, layer().layer(Echo), request),
        drive.subject(BACKPRESSURE, layer().backpressure().layer(Echo), request),
    ]
}

/// Both forms of the layer that limits what is in flight, as it starts.
pub(crate) fn concurrency(drive: &impl Drive, request: fn() -> Request<()>) -> Vec<Subject> {
    let layer = CongestionLayer::new;
    vec![
        drive.subject(FUTURE, layer().layer(Echo), request),
        drive.subject(BACKPRESSURE, layer().backpressure().layer(Echo), request),
    ]
}

/// The line, as the shared bucket, the service's future and the service itself wait in it.
pub(crate) const WAITING: [Contender; 3] = [
    Contender::new(SHARED, |rate| Box::new(line(rate))),
    Contender::new(FUTURE, |rate| {
        called(&TokenBucketLayer::sharing(&line(rate)))
    }),
    Contender::new(BACKPRESSURE, |rate| {
        called(&TokenBucketLayer::sharing(&line(rate)).backpressure())
    }),
];

impl Acquire for SharedBucket {
    async fn acquire(&mut self) {
        let permit = Self::acquire(self, 1)
            .await
            .expect("there is room in the line");
        drop(permit.spend());
    }
}

fn called<L>(layer: &L) -> Box<dyn Crowd>
where
    L: Layer<Echo>,
    Called<L::Service>: Acquire,
{
    Box::new(Called(layer.layer(Echo)))
}

/// One token at a time, and room for everybody.
fn line(rate: u32) -> SharedBucket {
    SharedBucket::new(Rate::per_second(rate)).max_waiting(usize::MAX)
}
