//! The layers, as a user meets them.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests read the clock that they pause"
)]

use std::{convert::Infallible, time::Duration};

use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_throttle_core::{Rejected, Why, select::UnsafeMethods};
use tower_throttle_token_bucket::{Rate, SlidingWindowLayer, TokenBucketLayer};

const SECOND: Duration = Duration::from_secs(1);

async fn echo(request: u32) -> Result<u32, Infallible> {
    Ok(request)
}

#[tokio::test(start_paused = true)]
async fn requests_are_paced() {
    let start = Instant::now();
    let mut service = ServiceBuilder::new()
        .layer(TokenBucketLayer::new(Rate::per_second(10)).burst(2))
        .service_fn(echo);
    let mut sent = Vec::new();
    for request in 0..5 {
        service.ready().await.unwrap().call(request).await.unwrap();
        sent.push(start.elapsed().as_millis());
    }
    assert_eq!(sent, [0, 0, 100, 200, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_window_lets_so_many_through_and_no_more() {
    let start = Instant::now();
    let layer = SlidingWindowLayer::new(Rate::per(2, SECOND));
    let mut service = layer.layer(service_fn(echo));
    let mut sent = Vec::new();
    for request in 0..5 {
        service.ready().await.unwrap().call(request).await.unwrap();
        sent.push(start.elapsed().as_millis());
    }
    assert_eq!(sent, [0, 0, 1000, 1000, 2000]);
}

#[tokio::test(start_paused = true)]
async fn safe_methods_pass() {
    let layer = TokenBucketLayer::new(Rate::per_minute(1))
        .max_wait(Duration::ZERO)
        .filter(UnsafeMethods);
    let service = layer.layer(service_fn(async |_: http::Request<()>| {
        Ok::<_, Infallible>(())
    }));
    let send = |method: http::Method| {
        let request = http::Request::builder().method(method).body(()).unwrap();
        service.clone().oneshot(request)
    };
    send(http::Method::POST).await.unwrap();
    let rejected = send(http::Method::POST).await.unwrap_err();
    assert_eq!(
        rejected.downcast_ref::<Rejected>().unwrap().why(),
        Why::TooLong
    );
    for _ in 0..10 {
        send(http::Method::GET).await.unwrap();
    }
    send(http::Method::DELETE).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn setters_of_the_adapter_keep_the_limiter_and_those_of_the_policy_make_one() {
    let layer = TokenBucketLayer::new(Rate::per_second(1)).burst(3);
    let shared = layer.limiter().shared().clone();
    let adapter = layer
        .clone()
        .filter(|_: &u32| true)
        .cost(|_: &u32| 2)
        .name("pool");
    assert!(adapter.limiter().shared().is_shared_with(&shared));
    let answered = layer.clone().on_reject(|_: Rejected| 0);
    assert!(answered.limiter().shared().is_shared_with(&shared));
    let shapes = [
        layer.clone().burst(3),
        layer.clone().initial_level(3),
        layer.clone().max_wait(SECOND),
        layer.clone().max_waiting(10),
    ];
    for reshaped in shapes {
        assert!(!reshaped.limiter().shared().is_shared_with(&shared));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_pays_what_it_costs() {
    let layer = TokenBucketLayer::new(Rate::per_second(10))
        .burst(10)
        .cost(|&cost: &u32| cost);
    let service = layer.layer(service_fn(echo));
    service.clone().oneshot(7).await.unwrap();
    assert_eq!(layer.limiter().available(), 3);
    let start = Instant::now();
    service.clone().oneshot(10).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(700));
    let rejected = service.clone().oneshot(11).await.unwrap_err();
    assert_eq!(
        rejected.downcast_ref::<Rejected>().unwrap().why(),
        Why::Never
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_answered_and_the_error_type_stays() {
    let layer = TokenBucketLayer::new(Rate::per_second(1))
        .max_wait(Duration::ZERO)
        .on_reject(|rejected: Rejected| {
            u32::try_from(rejected.retry_after().unwrap().as_millis()).unwrap()
        });
    let service = layer.layer(service_fn(echo));
    let first: Result<u32, Infallible> = service.clone().oneshot(7).await;
    assert_eq!(first, Ok(7));
    advance(Duration::from_millis(400)).await;
    assert_eq!(service.oneshot(7).await, Ok(600));
}
