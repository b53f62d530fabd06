//! One layer over an axum app is one limit, whatever axum clones.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{sync::Semaphore, task::JoinSet, time};
use tower::ServiceExt;
use tower_throttle::{
    Rejected,
    congestion::{Bounds, Change, CongestionLayer, Estimator, Gradient, Sample},
    retry_after::emit,
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

/// A limit that never moves.
#[derive(Debug, Clone)]
struct Fixed;

impl Estimator for Fixed {
    fn learn(&mut self, _sample: &Sample, _limit: f64, _bounds: Bounds) -> Option<Change> {
        None
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of `on_reject`")]
fn shed(rejected: Rejected) -> Response {
    let wait = rejected.retry_after().unwrap_or(Duration::from_millis(500));
    let header = [(header::RETRY_AFTER, emit::retry_after(wait))];
    (StatusCode::SERVICE_UNAVAILABLE, header).into_response()
}

/// Four at a time, 20 ms each: 200 requests per second; behind a limit that sheds the others.
fn four_slots<E: Estimator + Clone + Sync>(layer: CongestionLayer<E>) -> Router {
    let slots = Arc::new(Semaphore::new(4));
    let work = async move || {
        let _slot = slots.acquire().await.unwrap();
        time::sleep(Duration::from_millis(20)).await;
    };
    let layer = layer.max_wait(Duration::ZERO).on_reject(shed);
    Router::new().route("/", get(work)).layer(layer)
}

/// How long those took that were answered of 800 requests per second, in the second half of a minute.
async fn answered(app: Router) -> Vec<Duration> {
    let mut requests = JoinSet::new();
    for n in 0..48_000 {
        time::sleep(Duration::from_micros(1250)).await;
        let app = app.clone();
        requests.spawn(async move {
            let start = time::Instant::now();
            let request = Request::get("/").body(Body::empty()).unwrap();
            let response = app.oneshot(request).await.unwrap();
            if response.status() == StatusCode::OK {
                return (n >= 24_000).then(|| start.elapsed());
            }
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_ne!(response.headers()[header::RETRY_AFTER], "0");
            None
        });
    }
    let mut took: Vec<_> = requests.join_all().await.into_iter().flatten().collect();
    took.sort();
    took
}

#[tokio::test(start_paused = true)]
async fn four_times_what_a_handler_can_do_is_shed() {
    let best = answered(four_slots(CongestionLayer::with(Fixed).start(4))).await;
    let layer = CongestionLayer::with(Gradient::new()).seed(1);
    let ours = answered(four_slots(layer)).await;

    let goodput = ours.len() * 100 / best.len();
    assert!(goodput >= 90, "{goodput} % of the best");
    let p99 = |took: &[Duration]| took[took.len() * 99 / 100];
    assert!(p99(&ours) <= 3 * p99(&best), "{:?}", p99(&ours));
}
