//! The retries, in virtual time.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests read tokio's paused clock"
)]

mod adaptive;
mod attempts;
mod budget;
mod deadline;
mod idempotency;
mod laws;
mod order;
mod replay;
mod server;
mod waits;
mod what;

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};
use tower_throttle_core::BoxError;
use tower_throttle_jitter::{Backoff, Jitter};
use tower_throttle_retry_after::RetryLayer;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Without randomness: waits are as long as they may be.
fn exact() -> RetryLayer {
    let none = |base| Backoff::new(base).jitter(Jitter::none());
    RetryLayer::new()
        .backoff(none(ms(50)))
        .throttled_backoff(none(secs(1)))
        .spread(0.0)
}

fn get() -> Request<String> {
    Request::get("/").body(String::new()).unwrap()
}

fn post() -> Request<String> {
    Request::post("/").body("hello".into()).unwrap()
}

/// Sends one request through `layer`.
async fn send<L, S, B>(layer: &L, inner: S, request: Request<B>) -> Result<Response<()>, BoxError>
where
    L: Layer<S>,
    L::Service: Service<Request<B>, Response = Response<()>, Error = BoxError>,
{
    layer.layer(inner).oneshot(request).await
}

/// Time, as far as the runtime has come.
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// In a runtime of its own, paused.
fn paused<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn layers_services_and_bodies_can_go_anywhere() {
    fn usable_anywhere<T: Send + Sync + Unpin + 'static>(_: &T) {}
    #[derive(Clone)]
    struct Inner;
    impl<B> Service<Request<B>> for Inner {
        type Response = Response<()>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<()>, Infallible>>;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<B>) -> Self::Future {
            std::future::ready(Ok(Response::new(())))
        }
    }
    let layer = RetryLayer::new();
    usable_anywhere(&layer);
    usable_anywhere(&layer.policy());
    let service = layer.layer(Inner);
    usable_anywhere(&service);
    let body = http_body_util::Full::<bytes::Bytes>::default();
    usable_anywhere(&tower_throttle_retry_after::ReplayBody::new(body));
    fn sendable<T: Send + 'static>(_: T) {}
    sendable(service.oneshot(get()));
}
