//! The preset for use around an adaptive limiter.

use http::Response;
use tower_throttle_core::{BoxError, Outcome};
use tower_throttle_jitter::{Backoff, Jitter};
use tower_throttle_retry_after::{RetryLayer, retry::RetryOn};

use crate::{
    get, ms, now, secs, send,
    server::{Reply, Server},
};

#[tokio::test(start_paused = true)]
async fn what_every_limiter_hears_goes_back_through_the_line_at_once_8_times() {
    let start = now();
    for (status, headers) in [
        (429, &[][..]),
        (429, &[("retry-after", "30")]),
        (503, &[("retry-after", "30")]),
        (200, &[("grpc-status", "8")]),
    ] {
        let server = Server::new([Reply::of(status, headers)]);
        send(&RetryLayer::around_adaptive(), server.clone(), get())
            .await
            .unwrap();
        assert_eq!((server.attempts(), now()), (9, start));
    }
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
