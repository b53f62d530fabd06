//! How long it is waited.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_throttle_core::BoxError;
use tower_throttle_jitter::{Backoff, Generator, Jitter};
use tower_throttle_retry_after::{Profile, RetryLayer, Signals};

use crate::{
    exact, get, ms, now, secs, send,
    server::{Reply, Server},
};

/// What is waited before the first retry of a request that is answered so.
async fn first_wait(layer: &RetryLayer, reply: Reply) -> std::time::Duration {
    let server = Server::new([reply, Reply::status(200)]);
    send(layer, server.clone(), get()).await.unwrap();
    server.waits()[0]
}

#[tokio::test(start_paused = true)]
async fn own_waits_begin_at_50_ms_or_at_1_s_when_throttled_and_double() {
    for (status, waits) in [(500, [50, 100, 200]), (429, [1000, 2000, 4000])] {
        let server = Server::always(status);
        send(&exact(), server.clone(), get()).await.unwrap();
        assert_eq!(server.waits(), waits.map(ms), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn own_waits_grow_with_each_retry_of_whichever_kind_it_was() {
    let server = Server::new([500, 429, 500, 429, 500].map(Reply::status));
    send(&exact().max_retries(4), server.clone(), get())
        .await
        .unwrap();
    assert_eq!(server.waits(), [50, 2000, 200, 8000].map(ms));
}

#[tokio::test(start_paused = true)]
async fn own_waits_are_capped_at_20_s() {
    let server = Server::always(429);
    let layer = exact().max_retries(7);
    send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.waits()[4..], [secs(16), secs(20), secs(20)]);
}

#[tokio::test(start_paused = true)]
async fn own_waits_have_full_jitter() {
    let layer = RetryLayer::new().generator(Generator::seeded(1));
    let mut waits = Vec::new();
    for _ in 0..200 {
        waits.push(first_wait(&layer, Reply::status(429)).await);
    }
    // Timers fire at the millisecond that follows.
    assert!(waits.iter().all(|wait| *wait <= ms(1001)), "{waits:?}");
    for part in [
        ms(0)..ms(250),
        ms(250)..ms(500),
        ms(500)..ms(750),
        ms(750)..ms(1001),
    ] {
        let hits = waits.iter().filter(|wait| part.contains(wait)).count();
        assert!((25..=75).contains(&hits), "{hits} in {part:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_longer_one_of_the_servers_wait_and_ones_own_counts() {
    for (retry_after, waits) in [
        ("0", [1000, 2000]),
        ("1", [1000, 2000]),
        ("10", [10_000; 2]),
    ] {
        let server = Server::new([Reply::of(429, &[("retry-after", retry_after)])]);
        send(&exact().max_retries(2), server.clone(), get())
            .await
            .unwrap();
        assert_eq!(server.waits(), waits.map(ms), "{retry_after}");
    }
}

/// openfga and kubernetes clients took `Retry-After: 0` at its word, and ran hot.
#[tokio::test(start_paused = true)]
async fn a_retry_after_of_zero_is_no_hot_loop() {
    let wait = first_wait(&exact(), Reply::of(503, &[("retry-after", "0")])).await;
    assert_eq!(wait, secs(1));
}

/// The stkai SDK multiplied it by 0.9 to 1.1 (W3): half of all waits were too short.
#[tokio::test(start_paused = true)]
async fn jitter_never_undercuts_what_the_server_asked_for() {
    let layer = RetryLayer::new().generator(Generator::seeded(1));
    let mut waits = Vec::new();
    for _ in 0..1000 {
        waits.push(first_wait(&layer, Reply::of(429, &[("retry-after", "5")])).await);
    }
    waits.sort();
    assert!(waits[0] >= secs(5) && waits[999] <= ms(6251));
    assert!(waits[100] < ms(5300) && waits[900] > ms(5950), "not spread");
}

/// The stkai SDK took a `Retry-After` above 60 s for none, and came back after half a second (W4); so
/// do groq and litellm.
#[tokio::test(start_paused = true)]
async fn a_wait_above_the_longest_is_left_to_the_caller_and_never_shortened() {
    let start = now();
    for retry_after in ["121", "3600", "1e999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let server = Server::new([Reply::of(429, &[("retry-after", retry_after)])]);
        let response = send(&exact(), server.clone(), get()).await.unwrap();
        assert_eq!(response.headers()["retry-after"], retry_after);
        assert_eq!((server.attempts(), now()), (1, start), "{retry_after}");
    }
    for (layer, retry_after) in [(exact(), 120), (exact().max_wait(secs(3600)), 3600)] {
        let seconds = retry_after.to_string();
        let wait = first_wait(&layer, Reply::of(429, &[("retry-after", &seconds)])).await;
        assert_eq!(wait, secs(retry_after));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_read_in_every_form_with_every_status() {
    let date = ("date", "Fri, 29 Sep 2023 16:26:37 GMT");
    for (status, headers, wait) in [
        // The stkai SDK read it on a 429 only, and in numbers only.
        (503, vec![("retry-after", "5")], secs(5)),
        (500, vec![("retry-after", "5")], secs(5)),
        (
            429,
            vec![date, ("retry-after", "Fri, 29 Sep 2023 16:26:57 GMT")],
            secs(20),
        ),
        (429, vec![("retry-after-ms", "1500")], ms(1500)),
        (
            429,
            vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "7")],
            secs(7),
        ),
        // Whole seconds of the epoch: the true instant may be up to a second later.
        (429, vec![date, ("retry-after", "1696004807")], secs(11)),
    ] {
        let wait_found = first_wait(&exact(), Reply::of(status, &headers)).await;
        assert_eq!(wait_found, wait, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn under_the_aws_profile_the_wait_lies_between_the_own_backoff_and_5_s_more() {
    let layer = exact().spread(0.25).profile(Profile::aws());
    for (asked, wait) in [
        ("0", 1000),
        ("1000", 1000),
        ("3000", 3000),
        ("60000", 6000),
        ("600000", 6000),
    ] {
        let reply = Reply::of(429, &[("x-amz-retry-after", asked)]);
        assert_eq!(first_wait(&layer, reply).await, ms(wait), "{asked}");
    }
    assert_eq!(first_wait(&layer, Reply::status(500)).await, ms(50));
}

/// The first version took the own backoff for a wait that the server had asked for, and gave up.
#[tokio::test(start_paused = true)]
async fn under_the_aws_profile_no_own_backoff_is_too_long() {
    let none = Backoff::new(secs(2)).jitter(Jitter::none());
    let layer = exact().backoff(none.clone()).throttled_backoff(none);
    let layer = layer.profile(Profile::aws()).max_wait(secs(1));
    let asked = Reply::of(429, &[("x-amz-retry-after", "1")]);
    for reply in [Reply::status(503), asked] {
        assert_eq!(first_wait(&layer, reply).await, secs(2));
    }
}

/// The first version gave up, for the sake of the second that is added to make sure.
#[tokio::test(start_paused = true)]
async fn a_wait_of_exactly_the_longest_is_not_too_long_whatever_is_added_to_it() {
    let exhausted = [
        ("date", "Fri, 29 Sep 2023 16:26:37 GMT"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1696004917"),
    ];
    let wait = first_wait(&exact(), Reply::of(429, &exhausted)).await;
    assert_eq!(wait, secs(121));
}

#[tokio::test(start_paused = true)]
async fn the_clamp_of_the_aws_profile_is_for_its_own_header() {
    let layer = exact().profile(Profile::aws());
    for (asked, wait) in [("0", 1), ("60", 60)] {
        let reply = Reply::of(429, &[("retry-after", asked)]);
        assert_eq!(first_wait(&layer, reply).await, secs(wait), "{asked}");
    }
    let reply = Reply::of(429, &[("x-amz-retry-after", "60000")]);
    assert_eq!(first_wait(&exact(), reply).await, secs(60));
}

#[tokio::test(start_paused = true)]
async fn what_a_profile_knows_is_waited_for() {
    let layer = exact().profile(Profile::github());
    assert_eq!(first_wait(&layer, Reply::status(429)).await, secs(60));
    let spread = layer.spread(0.9).generator(Generator::seeded(1));
    assert!(first_wait(&spread, Reply::status(429)).await > secs(61));
}

/// gRPC A6: a pushback says when, and the own backoff begins anew.
#[tokio::test(start_paused = true)]
async fn a_pushback_begins_the_own_backoff_anew() {
    let unavailable = Reply::of(200, &[("grpc-status", "14")]);
    let pushback = Reply::of(
        200,
        &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "9000")],
    );
    let server = Server::new([
        unavailable.clone(),
        unavailable.clone(),
        pushback,
        unavailable,
    ]);
    let layer = exact().max_retries(4);
    send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.waits(), [50, 100, 9000, 50].map(ms));
}

#[tokio::test(start_paused = true)]
async fn signals_that_a_layer_has_read_from_the_body_count() {
    let (name, own) = (http::header::RETRY_AFTER, Profile::generic());
    assert_eq!(wait_of_signals(name, "7", own).await, secs(7));
    // Nobody knew the own backoff when these were read.
    let name = http::HeaderName::from_static("x-amz-retry-after");
    assert_eq!(wait_of_signals(name, "0", Profile::aws()).await, secs(1));
}

/// What is waited after a 429 into whose extensions a layer has put this signal.
async fn wait_of_signals(
    name: http::HeaderName,
    value: &'static str,
    profile: Profile,
) -> std::time::Duration {
    let headers = http::HeaderMap::from_iter([(name, value.parse().unwrap())]);
    let server = Server::new([Reply::status(429), Reply::status(200)]);
    let asked = server.clone();
    let layer = exact().profile(profile.clone());
    let reader = service_fn(move |request: Request<String>| {
        let now = std::time::UNIX_EPOCH;
        let status = http::StatusCode::TOO_MANY_REQUESTS;
        let signals = Signals::read(&headers, status, &profile, now);
        let response = asked.clone().oneshot(request);
        async move {
            let mut response = response.await?;
            response.extensions_mut().insert(signals);
            Ok::<_, BoxError>(response)
        }
    });
    send(&layer, reader, get()).await.unwrap();
    server.waits()[0]
}

#[test]
fn a_wait_of_no_length_has_no_timer() {
    let none = || Backoff::new(secs(0));
    let layer = exact().backoff(none()).throttled_backoff(none());
    let without_timers = tokio::runtime::Builder::new_current_thread().build();
    without_timers.unwrap().block_on(async {
        let server = Server::new([500, 429, 503, 200].map(Reply::status));
        let response = send(&layer, server.clone(), get()).await.unwrap();
        assert_eq!((response.status().as_u16(), server.attempts()), (200, 4));
    });
}

/// A body that knows whether it is still there.
#[derive(Debug)]
struct Held(Arc<AtomicBool>);

impl Held {
    fn new(there: &Arc<AtomicBool>) -> Self {
        there.store(true, Ordering::SeqCst);
        Self(Arc::clone(there))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// tower-resilience held on to the failed response, and with it to its connection, until the next one.
#[tokio::test(start_paused = true)]
async fn a_failed_response_is_dropped_before_the_wait() {
    let there = Arc::new(AtomicBool::new(false));
    let server = {
        let there = Arc::clone(&there);
        service_fn(move |_: Request<String>| {
            let mut response = Response::new(Held::new(&there));
            *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            async { Ok::<_, BoxError>(response) }
        })
    };
    let mut call = tokio_test::task::spawn(exact().layer(server).oneshot(get()));
    tokio_test::assert_pending!(call.poll());
    assert!(!there.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn equal_seeds_give_equal_waits() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let layer = RetryLayer::new().generator(Generator::seeded(5));
        let server = Server::new([
            Reply::status(500),
            Reply::of(429, &[("retry-after", "3")]),
            Reply::status(429),
        ]);
        send(&layer, server.clone(), get()).await.unwrap();
        runs.push(server.waits());
    }
    assert_eq!(runs[0], runs[1]);
}

#[test]
#[should_panic(expected = "jitter factor is -0.1, but must be at least 0 and less than 1")]
fn a_spread_below_nothing_is_refused() {
    let _ = RetryLayer::new().spread(-0.1);
}

/// tower's clones of one backoff draw the same jitter for all requests.
#[tokio::test(start_paused = true)]
async fn requests_of_one_layer_draw_delays_of_their_own() {
    let backoff = Backoff::new(secs(10)).jitter(Jitter::full());
    let layer = RetryLayer::new().backoff(backoff);
    let (a, b) = (
        first_wait(&layer, Reply::status(500)).await,
        first_wait(&layer, Reply::status(500)).await,
    );
    assert_ne!(a, b);
}
