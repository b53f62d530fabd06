//! One layer over an axum app is one limit, whatever axum clones.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::task::JoinSet;
use tower::ServiceExt;
use tower_throttle::{
    Rejected,
    token_bucket::{Rate, TokenBucketLayer},
};

#[expect(clippy::needless_pass_by_value, reason = "the shape of `on_reject`")]
fn too_many(rejected: Rejected) -> Response {
    let seconds = rejected.retry_after().map_or(1, |wait| wait.as_secs() + 1);
    (
        StatusCode::TOO_MANY_REQUESTS,
        [("retry-after", seconds.to_string())],
    )
        .into_response()
}

/// tower's own `RateLimit` counts per route and per connection there: of 1500 requests at 5 per
/// second all pass (axum#2634, axum#3682).
#[tokio::test(start_paused = true)]
async fn of_1500_requests_over_several_routes_exactly_the_quota_passes() {
    let layer = TokenBucketLayer::new(Rate::per_minute(5))
        .burst(5)
        .max_wait(Duration::ZERO)
        .on_reject(too_many);
    let app = Router::new()
        .route("/a", get(|| async { "a" }).post(|| async { "a" }))
        .route("/b", get(|| async { "b" }))
        .nest("/c", Router::new().route("/d", get(|| async { "d" })))
        .layer(layer);
    let mut requests = JoinSet::new();
    for n in 0..1500 {
        let app = app.clone();
        let path = ["/a", "/b", "/c/d"][n % 3];
        requests.spawn(app.oneshot(Request::get(path).body(Body::empty()).unwrap()));
    }
    let mut passed = 0;
    while let Some(response) = requests.join_next().await {
        let response = response.unwrap().unwrap();
        match response.status() {
            StatusCode::OK => passed += 1,
            StatusCode::TOO_MANY_REQUESTS => {
                assert!(response.headers().contains_key("retry-after"))
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(passed, 5);
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_the_quota_instead() {
    let layer = TokenBucketLayer::new(Rate::per_second(100))
        .max_waiting(1500)
        .on_reject(too_many);
    let app = Router::new().route("/", get(|| async {})).layer(layer);
    let start = tokio::time::Instant::now();
    let mut requests = JoinSet::new();
    for _ in 0..1500 {
        requests.spawn(
            app.clone()
                .oneshot(Request::get("/").body(Body::empty()).unwrap()),
        );
    }
    while let Some(response) = requests.join_next().await {
        assert_eq!(response.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(start.elapsed(), Duration::from_millis(14_990));
}
