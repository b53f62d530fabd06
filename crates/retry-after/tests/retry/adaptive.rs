//! The preset for use around an adaptive limiter.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{Response, StatusCode, header::RETRY_AFTER};
use tower::ServiceBuilder;
use tower_throttle_core::{BoxError, Outcome, Rejected};
use tower_throttle_jitter::{Backoff, Jitter};
use tower_throttle_retry_after::{
    Profile, RetryAfterLayer, RetryLayer, Signals, emit, retry::RetryOn,
};

use crate::{
    get, ms, now, secs, send,
    server::{Reply, Server},
};

#[tokio::test(start_paused = true)]
async fn what_every_limiter_hears_goes_back_through_the_line_at_once_8_times() {
    let start = now();
    for (status, headers) in [(429, &[][..]), (200, &[("grpc-status", "8")])] {
        let server = Server::new([Reply::of(status, headers)]);
        send(&RetryLayer::around_adaptive(), server.clone(), get())
            .await
            .unwrap();
        assert_eq!((server.attempts(), now()), (9, start));
    }
}

/// The first version left every wait to the limiter, and never asked whether that had been told of it.
#[tokio::test(start_paused = true)]
async fn what_was_asked_for_is_waited_for_and_what_may_be_rounding_from_the_second_time_on() {
    for (status, retry_after, waits) in [
        (429, "30", [30, 30, 30]),
        (503, "30", [30, 30, 30]),
        (429, "2", [2, 2, 2]),
        (429, "1", [0, 1, 1]),
        (429, "0", [0, 0, 0]),
    ] {
        let server = Server::new([Reply::of(status, &[("retry-after", retry_after)])]);
        let layer = RetryLayer::around_adaptive().max_retries(3);
        send(&layer, server.clone(), get()).await.unwrap();
        assert_eq!(server.waits(), waits.map(secs), "{status} {retry_after}");
    }
}

/// The first version went back at once, since every limiter had heard the status: those whom a gate
/// refuses had spent their retries in no time.
#[tokio::test(start_paused = true)]
async fn what_a_gate_answers_to_those_whom_it_refuses_is_not_answered_by_a_hot_loop() {
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let gate = RetryAfterLayer::new()
        .cap(secs(60))
        .on_reject(move |rejected: Rejected| {
            count.fetch_add(1, Ordering::SeqCst);
            too_early(&rejected)
        });
    let layer = ServiceBuilder::new()
        .layer(RetryLayer::around_adaptive())
        .layer(gate)
        .into_inner();
    let told = Reply::of(429, &[("retry-after", "100")]);
    let server = Server::new([told, Reply::status(200)]);
    let response = send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        refused.load(Ordering::SeqCst),
        0,
        "it came when it was time"
    );
}

fn too_early(rejected: &Rejected) -> Response<()> {
    let wait = emit::retry_after(rejected.retry_after().unwrap_or_default());
    let response = Response::builder().status(503).header("retry-after", wait);
    response.body(()).unwrap()
}

/// The first version had spent its retries before the gate opened.
#[tokio::test(start_paused = true)]
async fn a_line_that_is_full_is_not_asked_again_and_again_in_no_time() {
    let gate = RetryAfterLayer::new().max_waiting(0);
    gate.limiter().pause(secs(1));
    let gate = gate.on_reject(|rejected: Rejected| too_early(&rejected));
    let layer = ServiceBuilder::new()
        .layer(RetryLayer::around_adaptive())
        .layer(gate)
        .into_inner();
    let response = send(&layer, Server::always(200), get()).await.unwrap();
    assert_eq!(response.status(), 200);
}

/// The first version came back at once: the gate had heard of the 429, but not for how long.
#[tokio::test(start_paused = true)]
async fn what_only_the_retry_was_told_is_waited_for() {
    let headers = http::HeaderMap::from_iter([(RETRY_AFTER, "30".parse().unwrap())]);
    let (status, generic) = (StatusCode::TOO_MANY_REQUESTS, Profile::generic());
    let signals = Signals::read(&headers, status, &generic, std::time::UNIX_EPOCH);
    let from_the_body = move |mut response: Response<()>| {
        response.extensions_mut().insert(signals.clone());
        response
    };
    let layer = ServiceBuilder::new()
        .layer(RetryLayer::around_adaptive().max_retries(1))
        .map_response(from_the_body)
        .layer(RetryAfterLayer::new().jitter(Jitter::none()))
        .into_inner();
    let server = Server::always(429);
    send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.waits(), [secs(30)], "by signals outside of the gate");

    let layer = ServiceBuilder::new()
        .layer(RetryLayer::around_adaptive().profile(Profile::github()))
        .layer(RetryAfterLayer::new().jitter(Jitter::none()))
        .into_inner();
    let server = Server::new([429, 200].map(Reply::status));
    send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.waits(), [secs(60)], "by a profile of its own");
}

/// The first version went back at once after whatever counted as throttled.
#[tokio::test(start_paused = true)]
async fn what_a_limiter_may_not_have_heard_waits_as_by_default() {
    let none = Backoff::new(secs(1)).jitter(Jitter::none());
    let layer = RetryLayer::around_adaptive()
        .throttled_backoff(none)
        .spread(0.0)
        .max_retries(2);
    let overloaded =
        layer
            .clone()
            .classify(|result: Result<&Response<()>, &BoxError>| match result {
                Ok(response) if response.status() == 529 => Outcome::Throttled,
                result => RetryOn::default().outcome(result),
            });
    let server = Server::always(529);
    send(&overloaded, server.clone(), get()).await.unwrap();
    assert_eq!(server.waits(), [secs(1), secs(2)]);
    let pushback = [("grpc-status", "14"), ("grpc-retry-pushback-ms", "7000")];
    let server = Server::new([Reply::of(200, &pushback)]);
    send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.waits(), [secs(7); 2]);
}

#[tokio::test(start_paused = true)]
async fn throttled_retries_are_free_because_the_limiter_bounds_them() {
    let layer = RetryLayer::around_adaptive();
    for _ in 0..100 {
        let server = Server::always(429);
        send(&layer, server.clone(), get()).await.unwrap();
        assert_eq!(server.attempts(), 9);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_above_the_longest_is_left_to_the_caller_all_the_same() {
    let server = Server::new([Reply::of(429, &[("retry-after", "121")])]);
    send(&RetryLayer::around_adaptive(), server.clone(), get())
        .await
        .unwrap();
    assert_eq!(server.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn other_failures_back_off_and_cost_as_ever() {
    let backoff = Backoff::new(ms(50)).jitter(Jitter::none());
    let layer = RetryLayer::around_adaptive().backoff(backoff);
    let server = Server::new([500, 429, 502, 200].map(Reply::status));
    send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.waits(), [50, 0, 200].map(ms));
    let mut attempts = 0;
    for _ in 0..100 {
        let server = Server::always(500);
        send(&layer, server.clone(), get()).await.unwrap();
        attempts += server.attempts();
    }
    // Of 28 tokens 14 have come back.
    assert_eq!(attempts, 100 + (500 - 28 + 14) / 14);
}
