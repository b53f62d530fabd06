//! The layer, as a user meets it.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use tower::Layer;
use tower_throttle_core::{Rejected, Why};
use tower_throttle_jitter::Jitter;
use tower_throttle_retry_after::{OverCap, Profile, RetryAfterLayer};
use tower_throttle_token_bucket::{Rate, TokenBucket};

use crate::world::{Server, ask, exact_layer, ms, now, response, secs, wait};

#[tokio::test(start_paused = true)]
async fn when_one_is_told_to_wait_all_who_share_the_layer_wait() {
    let start = now();
    let layer = exact_layer();
    let (server, other) = (Server::saying([wait("5")]), Server::default());
    let service = layer.layer(server.service());
    let elsewhere = layer.clone().layer(other.service());

    assert_eq!(ask(&service).await.unwrap(), 429);
    let (own, cloned, foreign) = tokio::join!(
        ask(&service),
        async { ask(&service.clone()).await },
        ask(&elsewhere)
    );
    assert!(
        [own, cloned, foreign]
            .into_iter()
            .all(|answer| answer.unwrap() == 200)
    );
    assert_eq!(server.asked(start), [0, 5000, 5000]);
    assert_eq!(other.asked(start), [5000]);
}

#[tokio::test(start_paused = true)]
async fn the_response_that_says_wait_is_passed_on_as_it_is() {
    let answer = response(429, &[("retry-after", "5"), ("x-request-id", "abc")]);
    let service = exact_layer().layer(Server::saying([answer]).service());
    let response = tower::ServiceExt::oneshot(service, http::Request::new(()))
        .await
        .unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(response.headers()["x-request-id"], "abc");
}

// Guards against the stkai SDK: those who already waited for the bucket went on while the server
// said wait.
#[tokio::test(start_paused = true)]
async fn those_who_stand_in_line_wait_too() {
    let start = now();
    let bucket = TokenBucket::new(Rate::per_second(1), start);
    let server = Server::saying([wait("10")]).after(ms(100));
    let service = exact_layer().and(bucket).layer(server.service());
    let answers = join_all((0..4).map(|_| ask(&service))).await;
    assert_eq!(answers.len(), 4);
    assert_eq!(server.asked(start), [0, 10_100, 11_100, 12_100]);
}

#[tokio::test(start_paused = true)]
async fn the_answers_to_what_was_on_its_way_extend_the_pause_and_do_not_shorten_it() {
    let start = now();
    let server = Server::saying([wait("5"), wait("9"), wait("1")]).after(ms(100));
    let service = exact_layer().layer(server.service());
    join_all((0..3).map(|_| ask(&service))).await;
    ask(&service).await.unwrap();
    assert_eq!(server.asked(start), [0, 0, 0, 9_100]);
}

#[tokio::test(start_paused = true)]
async fn closing_and_opening_by_hand_is_felt_at_once_by_those_who_wait() {
    let start = now();
    let layer = RetryAfterLayer::new();
    let server = Server::default();
    let service = layer.layer(server.service());
    layer.limiter().pause(secs(60));
    assert!(layer.limiter().resume_at() >= Some(start + secs(60)));
    assert_eq!(
        layer.limiter().snapshot().resume_at,
        layer.limiter().resume_at()
    );

    let waiting = join_all((0..50).map(|_| ask(&service)));
    let by_hand = async {
        tokio::time::sleep(secs(3)).await;
        assert_eq!(layer.limiter().snapshot().waiting, 50);
        layer.limiter().resume();
    };
    tokio::join!(waiting, by_hand);
    assert_eq!(server.asked(start), [3000; 50]);
    assert_eq!(layer.limiter().resume_at(), None);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_would_wait_for_too_long_is_refused_when_it_comes() {
    let server = Server::saying([wait("5")]);
    let service = exact_layer().max_wait(secs(4)).layer(server.service());
    ask(&service).await.unwrap();
    let rejected = ask(&service).await.unwrap_err();
    let rejected = rejected.downcast_ref::<Rejected>().unwrap();
    assert_eq!(
        (rejected.why(), rejected.waited()),
        (Why::TooLong, Duration::ZERO)
    );
    assert_eq!(rejected.retry_after(), Some(secs(5)));
    tokio::time::advance(secs(1)).await;
    assert_eq!(ask(&service).await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn so_many_may_wait_and_no_more() {
    let layer = exact_layer().max_waiting(1);
    let service = layer.layer(Server::default().service());
    layer.limiter().pause(secs(1));
    let (first, second) = tokio::join!(ask(&service), ask(&service));
    assert_eq!(first.unwrap(), 200);
    let rejected = second.unwrap_err();
    assert_eq!(
        rejected.downcast_ref::<Rejected>().unwrap().why(),
        Why::Full
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_filter_does_not_pick_passes_and_is_not_listened_to() {
    let layer = exact_layer().filter(|request: &http::Request<()>| request.method() != Method::GET);
    let service = layer.layer(Server::saying([wait("5")]).service());
    ask(&service).await.unwrap();
    assert_eq!(layer.limiter().resume_at(), None);
}

#[tokio::test(start_paused = true)]
async fn a_limiter_beside_it_weighs_requests() {
    let start = now();
    let bucket = TokenBucket::new(Rate::per_second(1), start).burst(4);
    let layer = exact_layer().and(bucket).cost(|_: &http::Request<()>| 4);
    let server = Server::default();
    let service = layer.layer(server.service());
    join_all((0..2).map(|_| ask(&service))).await;
    assert_eq!(server.asked(start), [0, 4000]);
    layer.limiter().try_acquire(1).unwrap_err();
    layer
        .limiter()
        .update(|bucket, now| bucket.set_rate(Rate::per_second(10), now));
    layer.limiter().acquire(4).await.unwrap().spend();
    assert_eq!(now() - start, ms(4400));
}

#[tokio::test(start_paused = true)]
async fn setters_of_the_adapter_keep_the_gate_and_those_of_the_gate_make_one() {
    let layer = RetryAfterLayer::new();
    let shared = layer.limiter().shared().clone();
    let kept = layer
        .clone()
        .profile(Profile::github())
        .default_pause(secs(2))
        .act_on_exhausted()
        .filter(|_: &http::Request<()>| true)
        .name("api");
    assert!(kept.limiter().shared().is_shared_with(&shared));
    let kept = layer.clone().on_reject(|_| response(503, &[]));
    assert!(kept.limiter().shared().is_shared_with(&shared));
    assert!(
        layer
            .clone()
            .backpressure()
            .limiter()
            .is_shared_with(&shared)
    );
    for made in [
        layer.clone().cap(secs(1)),
        layer.clone().over_cap(OverCap::Honor),
        layer.clone().jitter(Jitter::none()),
        layer.clone().max_spread(secs(1)),
        layer.clone().min_pause(secs(1)),
        layer.clone().seed(7),
        layer.clone().max_wait(secs(1)),
        layer.clone().max_waiting(1),
        layer.clone().and(()),
    ] {
        assert!(!made.limiter().shared().is_shared_with(&shared));
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_lasts_when_a_setter_makes_another_gate() {
    let layer = exact_layer().name("api").and(());
    layer.limiter().pause(secs(1));
    let rejected = layer.limiter().try_acquire(()).unwrap_err();
    assert_eq!(rejected.name(), Some("api"));
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_opens_at_the_same_instant_and_another_at_another() {
    let start = now();
    let opens = |seed| {
        let layer = RetryAfterLayer::new().seed(seed).cap(secs(60));
        layer.limiter().pause(secs(8));
        layer.limiter().resume_at().unwrap() - start
    };
    assert_eq!(opens(1), opens(1));
    assert_ne!(opens(1), opens(2));
}

#[test]
fn a_layer_is_built_outside_a_runtime_and_goes_anywhere() {
    fn usable_anywhere<T: Send + Sync + Unpin + 'static>(_: &T) {}
    let layer = RetryAfterLayer::new();
    usable_anywhere(&layer);
    usable_anywhere(layer.limiter());
    usable_anywhere(&layer.layer(()));
}
