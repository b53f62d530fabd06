//! Where the layer stands: outside of the limiters, which each attempt passes again.

use http::{Request, Response};
use tower::ServiceBuilder;
use tower_throttle_core::{
    BoxError, LimitLayer, Limiter, Outcome, Queue, Rejected, Shared, Wait, Why,
};
use tower_throttle_jitter::{Backoff, Jitter};
use tower_throttle_retry_after::{Profile, ResetFormat, ResetHeader, RetryAfterLayer, RetryLayer};
use tower_throttle_token_bucket::{Rate, TokenBucket, TokenBucketLayer};

use crate::{
    exact, get, ms, now, post, secs, send,
    server::{Reply, Server},
};

/// Retries that bypass the limiter are what the rate was to prevent (env0/terraform#1127).
#[tokio::test(start_paused = true)]
async fn each_attempt_passes_the_limiter_again() {
    let server = Server::new([500, 500, 200].map(Reply::status));
    let layer = ServiceBuilder::new()
        .layer(exact())
        .layer(TokenBucketLayer::new(Rate::per_second(1)))
        .into_inner();
    let response = send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        server.waits(),
        [secs(1); 2],
        "a token each, not 50 and 100 ms"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_limiter_refuses_comes_back_when_it_would_pass() {
    let limit = TokenBucketLayer::new(Rate::per_minute(10)).max_wait(secs(0));
    let layer = ServiceBuilder::new()
        .layer(exact())
        .layer(limit)
        .into_inner();
    let server = Server::always(200);
    let start = now();
    for request in [get(), post(), post()] {
        let response = send(&layer, server.clone(), request).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    assert_eq!(server.waits(), [secs(6); 2]);
    assert_eq!(now() - start, secs(12));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_longer_than_the_longest_wait_is_the_callers_with_the_time() {
    let limit = TokenBucketLayer::new(Rate::per(1, secs(3600))).max_wait(secs(1));
    let layer = ServiceBuilder::new()
        .layer(exact())
        .layer(limit)
        .into_inner();
    let server = Server::always(200);
    let start = now();
    send(&layer, server.clone(), get()).await.unwrap();
    let error = send(&layer, server.clone(), get()).await.unwrap_err();
    let rejected = error.downcast_ref::<Rejected>().unwrap();
    assert_eq!(rejected.retry_after(), Some(secs(3600)));
    assert_eq!((server.attempts(), now()), (1, start));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_limiter_can_never_let_through_is_not_retried() {
    let limit = TokenBucketLayer::new(Rate::per_second(1)).cost(|_: &Request<String>| 2_u32);
    let layer = ServiceBuilder::new()
        .layer(exact())
        .layer(limit)
        .into_inner();
    let start = now();
    let error = send(&layer, Server::always(200), get()).await.unwrap_err();
    assert_eq!(error.downcast_ref().map(Rejected::why), Some(Why::Never));
    assert_eq!(now(), start);
}

/// Turns everybody away, and doesn't say until when.
#[derive(Debug)]
struct Closed;

impl Limiter for Closed {
    type Cost = ();
    type Permit = ();
    type Feedback = ();
    const COMPLETES: bool = false;

    fn check(&self, (): &(), _: std::time::Instant) -> Wait {
        Wait::Changed
    }

    fn take(&mut self, (): (), _: std::time::Instant) {}

    fn cancel(&mut self, (): (), _: std::time::Instant) {}
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_a_time_is_retried_after_the_own_backoff_at_the_lower_price() {
    let shared = Shared::with_queue(Closed, Queue::new().max_waiting(0));
    let limit = LimitLayer::new(shared);
    let budget = tower_throttle_retry_after::retry::Budget::default();
    let retry = exact().budget(budget.clone());
    let layer = ServiceBuilder::new().layer(retry).layer(limit).into_inner();
    let start = now();
    let error = send(&layer, Server::always(200), get()).await.unwrap_err();
    assert_eq!(error.downcast_ref().map(Rejected::why), Some(Why::Full));
    assert_eq!(now() - start, ms(50 + 100 + 200));
    assert_eq!(budget.available(), 500 - 3 * 5);
}

/// So a line that is full isn't asked again and again without a pause.
#[tokio::test(start_paused = true)]
async fn around_an_adaptive_limiter_a_refusal_still_waits() {
    let limit = TokenBucketLayer::new(Rate::per_second(1)).max_wait(secs(0));
    let retry = RetryLayer::around_adaptive().spread(0.0);
    let layer = ServiceBuilder::new().layer(retry).layer(limit).into_inner();
    let server = Server::always(200);
    for _ in 0..3 {
        send(&layer, server.clone(), get()).await.unwrap();
    }
    assert_eq!(server.waits(), [secs(1); 2]);
}

/// Both wait, and at the same time: the gate for everybody, the retry for itself.
#[tokio::test(start_paused = true)]
async fn around_a_gate_a_retry_after_is_obeyed_once_and_not_twice() {
    for retry in [exact(), RetryLayer::around_adaptive().spread(0.0)] {
        let bucket = TokenBucket::new(Rate::per_second(1), tower_throttle_core::now());
        let gate = RetryAfterLayer::new().jitter(Jitter::none()).and(bucket);
        let layer = ServiceBuilder::new().layer(retry).layer(gate).into_inner();
        let server = Server::new([Reply::of(429, &[("retry-after", "10")]), Reply::status(200)]);
        let response = send(&layer, server.clone(), post()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(server.waits(), [secs(10)]);
    }
}

#[tokio::test(start_paused = true)]
async fn around_a_gate_that_is_closed_for_too_long_every_request_says_when_to_come_back() {
    for retry in [exact(), RetryLayer::around_adaptive()] {
        let gate = RetryAfterLayer::new().jitter(Jitter::none());
        let layer = ServiceBuilder::new().layer(retry).layer(gate).into_inner();
        let server = Server::new([Reply::of(429, &[("retry-after", "3600")])]);
        let start = now();
        let response = send(&layer, server.clone(), get()).await.unwrap();
        assert_eq!(response.headers()["retry-after"], "3600");
        let error = send(&layer, server.clone(), get()).await.unwrap_err();
        let retry_after = error.downcast_ref().and_then(Rejected::retry_after);
        assert_eq!(retry_after, Some(secs(3600)));
        assert_eq!((server.attempts(), now()), (1, start));
    }
}

/// Everything that may be said without the gate's being told for how long, or that it hears at all.
fn hardly_said() -> Vec<(u16, Vec<(&'static str, &'static str)>)> {
    const DATE: (&str, &str) = ("date", "Fri, 29 Sep 2023 16:26:37 GMT");
    let mut replies = Vec::new();
    for status in [429, 503, 529, 403] {
        replies.extend([
            (status, vec![]),
            (status, vec![("retry-after", "0")]),
            (status, vec![("retry-after", "soon")]),
            (status, vec![("retry-after", "7")]),
            (status, vec![DATE, ("retry-after", DATE.1)]),
            (status, vec![("retry-after-ms", "0")]),
            (status, vec![("retry-after-ms", "70")]),
            (status, vec![("x-amz-retry-after", "70")]),
        ]);
    }
    for status in [("grpc-status", "8"), ("grpc-status", "14")] {
        let pushback = |wait| vec![status, ("grpc-retry-pushback-ms", wait)];
        replies.push((200, vec![status]));
        replies.extend(["0", "70", "7000"].map(|wait| (200, pushback(wait))));
    }
    replies
}

/// The first version went back nine times in no time after what the gate had not heard: `UNAVAILABLE`
/// with a pushback, a 529, a `Retry-After` of zero or that the profile doesn't read.
#[tokio::test(start_paused = true)]
async fn around_a_gate_alone_no_answer_under_any_profile_is_repeated_at_once() {
    let profiles = || {
        let particular = [
            "generic",
            "aws",
            "envoy-reset",
            "github",
            "prisjakt",
            "sentry",
        ];
        let named = particular.map(|name| Profile::named(name).unwrap());
        let reset = ResetHeader {
            name: http::header::RETRY_AFTER,
            format: ResetFormat::Seconds,
        };
        named.into_iter().chain([Profile::envoy_reset([reset])])
    };
    let none = |base| Backoff::new(base).jitter(Jitter::none());
    let all_throttled = |_: Result<&Response<()>, &BoxError>| Outcome::Throttled;
    let settings = profiles().flat_map(|outer| profiles().map(move |inner| (outer.clone(), inner)));
    for ((outer, inner), (status, headers)) in settings.flat_map(|profiles| {
        hardly_said()
            .into_iter()
            .map(move |said| (profiles.clone(), said))
    }) {
        let told = format!(
            "{status} {headers:?}, {} around {}",
            outer.name(),
            inner.name()
        );
        let retry = RetryLayer::around_adaptive()
            .classify(all_throttled)
            .throttled_backoff(none(secs(1)))
            .profile(outer);
        let gate = RetryAfterLayer::new().jitter(Jitter::none()).profile(inner);
        let layer = ServiceBuilder::new().layer(retry).layer(gate).into_inner();
        let server = Server::new([Reply::of(status, &headers)]);
        send(&layer, server.clone(), get()).await.unwrap();
        assert_eq!(server.attempts(), 9, "{told}");
        assert!(
            server.waits().iter().all(|wait| *wait >= ms(70)),
            "{told}: {:?}",
            server.waits()
        );
    }
}

/// The first version went back at once, and the gate had not heard of it.
#[tokio::test(start_paused = true)]
async fn around_a_gate_what_it_may_not_have_heard_is_waited_for_by_both_at_the_same_time() {
    let pushback = [("grpc-status", "14"), ("grpc-retry-pushback-ms", "30000")];
    let gate = RetryAfterLayer::new().jitter(Jitter::none());
    let retry = RetryLayer::around_adaptive().spread(0.0);
    let layer = ServiceBuilder::new().layer(retry).layer(gate).into_inner();
    let server = Server::new([Reply::of(200, &pushback), Reply::status(200)]);
    send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.waits(), [secs(30)]);
}

/// Without a default pause, what a limiter beside the gate makes of it is all that there is.
#[tokio::test(start_paused = true)]
async fn around_a_limiter_that_paces_what_is_repeated_a_bare_429_is_in_its_line_again_at_once() {
    let bucket = TokenBucket::new(Rate::per_second(10), tower_throttle_core::now());
    let gate = RetryAfterLayer::new().default_pause(secs(0)).and(bucket);
    let retry = RetryLayer::around_adaptive();
    let layer = ServiceBuilder::new().layer(retry).layer(gate).into_inner();
    let server = Server::always(429);
    send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.waits(), [ms(100); 8]);
}
