//! What a server declares.

#![cfg(feature = "signals")]

use std::{convert::Infallible, future::ready};

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_throttle_congestion::{
    Cause, Congestion, CongestionLayer, Gradient, Heed, SharedCongestion,
};
use tower_throttle_core::{HttpOutcome, now};
use tower_throttle_retry_after::RetryAfterLayer;
use tower_throttle_token_bucket::{Rate, TokenBucket};

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
    let bytes = r#""burst";q=3;qu="content-bytes""#;
    assert_eq!(after(&[bytes]).await.limit(), 20);
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

/// What passes unlimited is none of the limiter's business.
#[tokio::test(start_paused = true)]
async fn what_the_filter_lets_pass_declares_nothing() {
    let layer = CongestionLayer::with(Gradient::new()).seed(1);
    let limit = layer.limiter().clone();
    let heed = Heed::new(HttpOutcome, &limit);
    let server = answering(200, &[("ratelimit-policy", SEVEN)]);
    let client = layer.filter(|_: &Request<()>| false).classify(heed);

    client
        .layer(server)
        .oneshot(Request::new(()))
        .await
        .unwrap();

    assert_eq!(limit.limit(), 20);
}

/// Beside a gate and a rate nobody heard it.
#[tokio::test(start_paused = true)]
async fn a_concurrency_beside_a_rate_heeds_what_is_declared() {
    let limit = beside_a_rate(1, 200, &[("ratelimit-policy", SEVEN)]).await;

    assert_eq!(limit, (7, Some(Cause::Declared)));
}

/// A rate can't do anything about it.
#[tokio::test(start_paused = true)]
async fn too_many_in_flight_are_no_matter_of_the_rate() {
    let okta = [("x-rate-limit-limit", "0"), ("x-rate-limit-remaining", "0")];
    let stripe = [("stripe-rate-limited-reason", "endpoint-concurrency")];
    for headers in [&okta[..], &stripe] {
        let (limit, cause) = beside_a_rate(20, 429, headers).await;
        assert!(limit < 20, "{limit} after {headers:?}");
        assert_eq!(cause, Some(Cause::Throttled));
    }
    assert_eq!(beside_a_rate(20, 429, &[]).await, (20, None));
}

const SEVEN: &str = r#""slots";q=7;qu="concurrent-requests""#;

fn answering(
    status: u16,
    headers: &[(&'static str, &'static str)],
) -> impl Service<Request<()>, Response = Response<()>, Error = Infallible, Future: Send> + Clone {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let response = response.body(()).unwrap();
    service_fn(move |_| ready(Ok(response.clone())))
}

/// The limit, and its last cause, after so many such responses to a layer that has a rate, too.
async fn beside_a_rate(
    calls: u32,
    status: u16,
    headers: &[(&'static str, &'static str)],
) -> (u32, Option<Cause>) {
    let rate = TokenBucket::new(Rate::per_second(50), now());
    let concurrency = Congestion::new().seed(1).beside_rate();
    let layer = RetryAfterLayer::new().and((rate, concurrency.heeding()));
    let gate = layer.limiter().clone();
    let client = layer.layer(answering(status, headers));
    for _ in 0..calls {
        client.clone().oneshot(Request::new(())).await.unwrap();
    }
    gate.update(|(_, heeding), _now| {
        let limiter = heeding.congestion();
        (limiter.limit(), limiter.last_cause())
    })
}
