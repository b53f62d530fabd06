//! The layer, driven as a stack drives it.
#![expect(
    clippy::disallowed_methods,
    reason = "a test tells what the time is, and it stands still"
)]

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::{Request, Response, StatusCode};
use tokio::{task::JoinSet, time};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock;
use tower_throttle_congestion::{
    Bounds, Cause, Change, Congestion, CongestionLayer, Estimator, Gradient, LittlesLaw, Sample,
    SharedCongestion,
};
use tower_throttle_core::{
    LimitLayer, Outcome, Rejected, Shared, Why,
    hold::{Body, Caller, Settlement},
    now,
    track::Tracked,
};
use tower_throttle_retry_after::RetryAfterLayer;
use tower_throttle_token_bucket::{Rate, TokenBucket};

/// A limit that stays as it is.
#[derive(Debug, Clone)]
struct Fixed;

impl Estimator for Fixed {
    fn learn(&mut self, _: &Sample, _: f64, _: Bounds) -> Option<Change> {
        None
    }
}

type Get = Request<()>;
type Reply = Response<()>;

const SECOND: Duration = Duration::from_secs(1);

fn get() -> Get {
    Request::new(())
}

fn reply(status: StatusCode) -> Reply {
    let mut reply = Response::new(());
    *reply.status_mut() = status;
    reply
}

fn fixed(limit: u32) -> CongestionLayer<Fixed> {
    CongestionLayer::with(Fixed).start(limit)
}

/// Answers after a second.
async fn slow(_: Get) -> Result<Reply, Infallible> {
    time::sleep(SECOND).await;
    Ok(reply(StatusCode::OK))
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_limit_are_in_flight() {
    let (most, flying) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let server = {
        let most = Arc::clone(&most);
        service_fn(move |_: Get| {
            let (most, flying) = (Arc::clone(&most), Arc::clone(&flying));
            async move {
                most.fetch_max(
                    flying.fetch_add(1, Ordering::Relaxed) + 1,
                    Ordering::Relaxed,
                );
                time::sleep(SECOND).await;
                flying.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, Infallible>(reply(StatusCode::OK))
            }
        })
    };
    let client = fixed(2).layer(server);
    let start = time::Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..5 {
        calls.spawn(client.clone().oneshot(get()));
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
    assert_eq!(most.load(Ordering::Relaxed), 2);
    assert_eq!(start.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_must_not_wait_is_refused_at_once() {
    let layer = fixed(1).max_wait(Duration::ZERO);
    let client = layer.layer(service_fn(slow));
    let first = tokio::spawn(client.clone().oneshot(get()));
    time::sleep(Duration::from_millis(1)).await;

    let error = client.clone().oneshot(get()).await.unwrap_err();

    let rejected = error.downcast_ref::<Rejected>().unwrap();
    assert_eq!(rejected.why(), Why::TooLong);
    assert_eq!(rejected.snapshot().limit, Some(1));
    assert_eq!(rejected.snapshot().in_flight, Some(1));
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_as_long_as_it_may() {
    let layer = fixed(1).max_wait(Duration::from_millis(300));
    let client = layer.layer(service_fn(slow));
    let first = tokio::spawn(client.clone().oneshot(get()));
    time::sleep(Duration::from_millis(1)).await;
    let start = time::Instant::now();

    let error = client.clone().oneshot(get()).await.unwrap_err();

    assert!(error.is::<Rejected>());
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert!(start.elapsed() < Duration::from_millis(310));
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn only_so_many_may_wait() {
    let client = fixed(1).max_waiting(1).layer(service_fn(slow));
    let in_flight = tokio::spawn(client.clone().oneshot(get()));
    let waiting = tokio::spawn(client.clone().oneshot(get()));
    time::sleep(Duration::from_millis(1)).await;

    let error = client.clone().oneshot(get()).await.unwrap_err();

    assert_eq!(error.downcast_ref::<Rejected>().unwrap().why(), Why::Full);
    in_flight.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap();
}

/// However it is shaped afterwards.
#[tokio::test(start_paused = true)]
async fn an_error_names_the_limiter() {
    let shared = SharedCongestion::with(Fixed).start(1).name("api");
    let reshaped = fixed(1).name("api").max_wait(Duration::ZERO);
    for limit in [&shared, reshaped.limiter()] {
        let _place = limit.try_acquire().unwrap();
        assert_eq!(limit.try_acquire().unwrap_err().name(), Some("api"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_can_be_answered() {
    let layer = fixed(1).max_wait(Duration::ZERO);
    let layer = layer.on_reject(|_| reply(StatusCode::SERVICE_UNAVAILABLE));
    let client = layer.layer(service_fn(slow));
    let first = tokio::spawn(client.clone().oneshot(get()));
    time::sleep(Duration::from_millis(1)).await;

    let answer: Result<Reply, Infallible> = client.clone().oneshot(get()).await;

    assert_eq!(answer.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    first.await.unwrap().unwrap();
}

/// tower-acc drops its permit before it forgets one, so that a limit never shrinks while somebody
/// waits: 100 stay in flight, whatever happens.
#[tokio::test(start_paused = true)]
async fn a_limit_shrinks_while_it_is_saturated() {
    let layer = CongestionLayer::with(Gradient::new()).start(100).seed(1);
    let limit = layer.limiter().clone();
    let client = layer.layer(service_fn(|_: Get| async {
        time::sleep(Duration::from_millis(100)).await;
        Ok::<_, Infallible>(reply(StatusCode::TOO_MANY_REQUESTS))
    }));
    let mut calls = JoinSet::new();
    for _ in 0..1000 {
        calls.spawn(client.clone().oneshot(get()));
    }
    time::sleep(5 * SECOND).await;

    assert_eq!(limit.limit(), 1);
    assert!(limit.in_flight() <= 1);
    assert!(limit.snapshot().waiting > 0, "still saturated");
    assert_eq!(limit.last_cause(), Some(Cause::Throttled));
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_frees_its_place() {
    let layer = fixed(2);
    let limit = layer.limiter().clone();
    let client = layer.layer(service_fn(slow));
    let flying = tokio::spawn(client.clone().oneshot(get()));
    let other = tokio::spawn(client.clone().oneshot(get()));
    let waiting = tokio::spawn(client.clone().oneshot(get()));
    time::sleep(Duration::from_millis(1)).await;
    assert_eq!((limit.in_flight(), limit.snapshot().waiting), (2, 1));

    waiting.abort();
    flying.abort();
    time::sleep(Duration::from_millis(1)).await;
    assert_eq!((limit.in_flight(), limit.snapshot().waiting), (1, 0));

    other.await.unwrap().unwrap();
    assert_eq!(limit.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_inner_future_frees_the_place() {
    let layer = fixed(1);
    let limit = layer.limiter().clone();
    let client = layer.layer(service_fn(|_: Get| async {
        time::sleep(SECOND).await;
        assert_ne!(1, 1, "as planned");
        Ok::<_, Infallible>(reply(StatusCode::OK))
    }));

    let call = tokio::spawn(client.oneshot(get())).await;

    assert!(call.unwrap_err().is_panic());
    assert_eq!(limit.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_frees_the_place_and_is_a_failure() {
    let layer = CongestionLayer::with(Gradient::new()).start(10).seed(1);
    let limit = layer.limiter().clone();
    let client = layer.layer(service_fn(|_: Get| async {
        time::sleep(Duration::from_millis(100)).await;
        Err::<Reply, BoxError>("broken".into())
    }));
    let mut calls = JoinSet::new();
    for _ in 0..200 {
        calls.spawn(client.clone().oneshot(get()));
    }
    while let Some(call) = calls.join_next().await {
        assert_eq!(call.unwrap().unwrap_err().to_string(), "broken");
    }
    assert_eq!((limit.in_flight(), limit.limit()), (0, 1));
    assert_eq!(limit.last_cause(), Some(Cause::Failed));
}

#[tokio::test(start_paused = true)]
async fn a_call_may_last_until_the_end_of_its_body() {
    let layer = fixed(1).hold(Body);
    let limit = layer.limiter().clone();
    let server =
        service_fn(|_: Get| async { Ok::<_, Infallible>(Response::new(String::from("three"))) });
    let mut client = layer.layer(server);

    let reply = client.ready().await.unwrap().call(get()).await.unwrap();
    assert_eq!(limit.in_flight(), 1);
    drop(reply);
    assert_eq!(limit.in_flight(), 0);
}

/// Nobody reads the body of a refusal to its end: that it was one is known before.
#[tokio::test(start_paused = true)]
async fn a_refusal_whose_body_is_given_up_is_a_refusal() {
    for (status, cause) in [(429, Cause::Throttled), (500, Cause::Failed)] {
        let layer = CongestionLayer::with(LittlesLaw::new()).hold(Body);
        let limit = layer.limiter().clone();
        let client = layer.layer(service_fn(move |_: Get| async move {
            Response::builder().status(status).body("no".to_owned())
        }));

        drop(client.oneshot(get()).await.unwrap());

        assert_eq!((limit.limit(), limit.last_cause()), (19, Some(cause)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_may_last_until_the_caller_says_so() {
    let layer = fixed(1).hold(Caller);
    let limit = layer.limiter().clone();
    let mut client = layer.layer(service_fn(slow));

    let reply = client.ready().await.unwrap().call(get()).await.unwrap();
    let call = reply.extensions().get::<Settlement<Congestion<Fixed>>>();
    assert_eq!(limit.in_flight(), 1);
    call.unwrap().settle(Outcome::Succeeded).unwrap();
    assert_eq!(limit.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_what_the_filter_picks_is_limited() {
    let layer = fixed(1).filter(|request: &Get| request.uri().path() != "/health");
    let limit = layer.limiter().clone();
    let client = layer.layer(service_fn(slow));
    let health = || Request::get("/health").body(()).unwrap();
    let first = tokio::spawn(client.clone().oneshot(get()));
    let second = tokio::spawn(client.clone().oneshot(health()));
    time::sleep(Duration::from_millis(1)).await;

    assert_eq!(limit.in_flight(), 1);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_closure_may_say_what_a_response_means() {
    let layer = CongestionLayer::with(LittlesLaw::new().growth_probability(0.0))
        .start(5)
        .classify(|result: Result<&u32, &Infallible>| match result {
            Ok(0) => Outcome::Throttled,
            _ => Outcome::Succeeded,
        });
    let limit = layer.limiter().clone();
    let server = service_fn(|request: u32| async move { Ok::<_, Infallible>(request) });
    let mut client = layer.layer(server);

    client.ready().await.unwrap().call(1).await.unwrap();
    assert_eq!(limit.limit(), 5);
    time::sleep(SECOND).await;
    client.ready().await.unwrap().call(0).await.unwrap();
    assert_eq!(limit.limit(), 4);
}

#[tokio::test(start_paused = true)]
async fn backpressure_waits_before_there_is_a_request() {
    let layer = fixed(1);
    let limit = layer.limiter().clone();
    let (mut client, mut server) = mock::spawn_layer::<Get, Reply, _>(layer.backpressure());
    server.allow(10);
    assert!(client.poll_ready().is_ready());
    let call = client.call(get());
    assert_eq!(limit.in_flight(), 1);
    assert!(client.poll_ready().is_pending());

    drop(call);
    assert!(client.poll_ready().is_ready());
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_limit_and_shaping_setters_make_another() {
    let layer = fixed(2);
    let limit = layer.limiter().clone();
    let other = layer.clone().max_limit(7).limiter().clone();
    let named = layer.clone().name("api").filter(|_: &Get| true);

    let _place = limit.try_acquire().unwrap();

    assert_eq!(layer.limiter().in_flight(), 1);
    assert_eq!(named.limiter().in_flight(), 1);
    assert_eq!(other.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn layers_may_share_one_limit() {
    let limit = SharedCongestion::with(Fixed).start(1);
    let (reads, writes) = (
        CongestionLayer::sharing(&limit),
        CongestionLayer::sharing(&limit),
    );
    let read = tokio::spawn(reads.layer(service_fn(slow)).oneshot(get()));
    time::sleep(Duration::from_millis(1)).await;
    let start = time::Instant::now();

    writes.layer(service_fn(slow)).oneshot(get()).await.unwrap();

    assert!(start.elapsed() > Duration::from_millis(1900));
    read.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rate_and_a_concurrency_stand_in_one_line() {
    let rate = TokenBucket::new(Rate::per_second(1), now()).burst(3);
    let layer = RetryAfterLayer::new().and((rate, Congestion::with(Fixed).start(2)));
    let gate = layer.limiter().clone();
    let client = ServiceBuilder::new().layer(layer).service(service_fn(slow));
    let mut calls = JoinSet::new();
    for _ in 0..4 {
        calls.spawn(client.clone().oneshot(get()));
    }
    time::sleep(Duration::from_millis(1)).await;

    let snapshot = gate.snapshot();
    assert_eq!((snapshot.limit, snapshot.in_flight), (Some(2), Some(2)));
    assert_eq!(
        snapshot.level,
        Some(1),
        "no token is taken for one who waits for a place"
    );
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_pair_needs_no_gate() {
    let rate = TokenBucket::new(Rate::per_second(10), now());
    let shared = Shared::new((rate, Congestion::with(Gradient::new()).seed(1)));
    let classify = |_: Result<&Reply, &Infallible>| ((), Outcome::Succeeded);
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(classify));

    layer.layer(service_fn(slow)).oneshot(get()).await.unwrap();

    assert_eq!(shared.snapshot().in_flight, Some(0));
}

#[tokio::test(start_paused = true)]
async fn places_can_be_taken_without_tower() {
    let limit = SharedCongestion::with(Fixed).start(1);
    let place = limit.acquire().await.unwrap();
    assert!(limit.try_acquire().is_err());
    drop(place);
    let call = limit.try_acquire().unwrap().spend();
    assert_eq!(limit.in_flight(), 1);
    call.complete(Outcome::Succeeded);
    assert_eq!(limit.in_flight(), 0);
}

/// Polled again although its call had panicked, it took another place and lost that for ever.
#[tokio::test(start_paused = true)]
async fn a_request_whose_call_panicked_holds_no_place_whatever_becomes_of_it() {
    let panics = service_fn(|_: Get| -> std::future::Ready<Result<Reply, Infallible>> {
        panic!("as it does in this test")
    });
    let layer = fixed(1);
    let limit = layer.limiter().clone();
    let held = limit.try_acquire().unwrap();
    let mut request = tokio_test::task::spawn(layer.layer(panics).call(get()));
    assert!(request.poll().is_pending());
    drop(held);

    for _ in 0..2 {
        let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| request.poll().is_pending()));
        assert!(panicked.is_err());
    }

    drop(request);
    assert_eq!(limit.in_flight(), 0);
}
