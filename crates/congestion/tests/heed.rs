//! What a server declares.

#![cfg(feature = "signals")]

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_throttle_congestion::{Cause, CongestionLayer, Gradient, Heed, SharedCongestion};
use tower_throttle_core::HttpOutcome;

/// The limiter after responses with these policies.
async fn after(policies: &[&'static str]) -> SharedCongestion {
    let layer = CongestionLayer::with(Gradient::new());
    let limit = layer.limiter().clone();
    let heed = Heed::new(HttpOutcome, &limit);
    let server = service_fn(|request: Request<&'static str>| async move {
        let mut response = Response::new(());
        if !request.body().is_empty() {
            let policy = request.body().parse().unwrap();
            response.headers_mut().insert("ratelimit-policy", policy);
        }
        Ok::<_, Infallible>(response)
    });
    let mut client = layer.classify(heed).layer(server);
    for policy in policies {
        let call = client.ready().await.unwrap().call(Request::new(*policy));
        call.await.unwrap();
    }
    limit
}

#[tokio::test(start_paused = true)]
async fn a_declared_concurrency_is_a_ceiling() {
    let limit = after(&[r#""slots";q=7;qu="concurrent-requests""#, ""]).await;

    assert_eq!(limit.limit(), 7);
    assert_eq!(limit.last_cause(), Some(Cause::Declared));
}

#[tokio::test(start_paused = true)]
async fn the_lowest_of_several_counts() {
    let policy =
        r#""a";q=9;qu="concurrent-requests", "b";q=4;qu="concurrent-requests", "c";q=2;w=60"#;

    assert_eq!(after(&[policy]).await.limit(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_quota_of_requests_is_no_ceiling() {
    assert_eq!(after(&[r#""burst";q=3;w=60"#]).await.limit(), 20);
}

#[tokio::test(start_paused = true)]
async fn the_latest_declaration_counts() {
    let policies = [
        r#""slots";q=0;qu="concurrent-requests""#,
        r#""slots";q=12;qu="concurrent-requests""#,
    ];
    assert_eq!(after(&policies[..1]).await.limit(), 1);
    assert!(after(&policies).await.limit() <= 12);
}
