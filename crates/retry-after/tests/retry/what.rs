//! What is retried, and what becomes of the result.

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tower::ServiceBuilder;
use tower_throttle_core::{BoxError, Outcome};
use tower_throttle_retry_after::{
    Profile, ResetFormat, ResetHeader, RetryLayer, Signals,
    retry::{Attempts, RetryOn},
};

use crate::{
    exact, get, now, post, secs, send,
    server::{Broken, Reply, Server},
};

async fn is_retried(layer: &RetryLayer<RetryOn>, reply: Reply) -> bool {
    let server = Server::new([reply, Reply::status(200)]);
    let _ = send(layer, server.clone(), get()).await;
    server.attempts() == 2
}

#[tokio::test(start_paused = true)]
async fn six_statuses_and_errors_are_retried_by_default_and_two_by_the_preset() {
    for status in 200..600 {
        let default = [408, 429, 500, 502, 503, 504].contains(&status);
        let throttled = [429, 503].contains(&status);
        let reply = || Reply::status(status);
        assert_eq!(
            is_retried(&RetryLayer::new(), reply()).await,
            default,
            "{status}"
        );
        let preset = RetryLayer::only_throttled();
        assert_eq!(is_retried(&preset, reply()).await, throttled, "{status}");
    }
    assert!(is_retried(&RetryLayer::new(), Reply::broken()).await);
    assert!(!is_retried(&RetryLayer::only_throttled(), Reply::broken()).await);
}

#[tokio::test(start_paused = true)]
async fn of_the_grpc_statuses_resource_exhausted_and_unavailable_are_retried() {
    for code in 0..=16 {
        let code_text = code.to_string();
        let reply = || Reply::of(200, &[("grpc-status", &code_text)]);
        for layer in [RetryLayer::new(), RetryLayer::only_throttled()] {
            assert_eq!(
                is_retried(&layer, reply()).await,
                [8, 14].contains(&code),
                "{code}"
            );
        }
    }
}

/// The table of the first version called it a success.
#[test]
fn a_grpc_failure_of_another_kind_is_no_success() {
    for code in ["2", "4", "7", "13"] {
        let response = Response::builder().header("grpc-status", code);
        let response = response.body(()).unwrap();
        let outcome = RetryOn::default().outcome(Ok(&response));
        assert_eq!(outcome, Outcome::Ignored, "{code}");
    }
}

fn signals(status: u16, headers: &[(&'static str, &'static str)]) -> Signals {
    let status = StatusCode::from_u16(status).unwrap();
    let lines = headers.iter().map(|(name, value)| {
        let value = HeaderValue::from_static(value);
        (HeaderName::from_static(name), value)
    });
    let now = std::time::UNIX_EPOCH;
    Signals::read(&lines.collect(), status, &Profile::generic(), now)
}

/// The first version looked at the head only: it gave up a POST that had been turned away, and what the
/// body asked to be retried.
#[tokio::test(start_paused = true)]
async fn signals_that_a_layer_has_read_from_the_body_decide_on_what_is_retried() {
    for (status, headers) in [
        (503, [("retry-after", "5")]),
        (409, [("x-should-retry", "true")]),
    ] {
        let told = signals(status, &headers);
        let from_the_body = move |mut response: Response<()>| {
            response.extensions_mut().insert(told.clone());
            response
        };
        let layer = ServiceBuilder::new()
            .layer(exact().idempotent(move |_: &Request<String>| status == 409))
            .map_response(from_the_body)
            .into_inner();
        let server = Server::always(status);
        send(&layer, server.clone(), post()).await.unwrap();
        assert_eq!(server.attempts(), 4, "{status}");
    }
}

/// The first version read the wait under no profile when it decided what had been turned away.
#[tokio::test(start_paused = true)]
async fn a_wait_that_only_the_profile_finds_tells_that_the_request_was_turned_away() {
    let profile = Profile::envoy_reset([ResetHeader {
        name: HeaderName::from_static("x-come-back"),
        format: ResetFormat::Seconds,
    }]);
    let told = Reply::of(503, &[("x-come-back", "5")]);
    let server = Server::new([told, Reply::status(200)]);
    let response = send(&exact().profile(profile), server.clone(), post())
        .await
        .unwrap();
    assert_eq!(server.waits(), [secs(5)]);
    assert_eq!(response.extensions().len(), 1, "nothing but the attempts");
}

#[tokio::test(start_paused = true)]
async fn there_are_three_retries_by_default_and_then_the_last_result() {
    let server = Server::new([500, 502, 503, 504, 200].map(Reply::status));
    let response = send(&exact(), server.clone(), get()).await.unwrap();
    assert_eq!((response.status().as_u16(), server.attempts()), (504, 4));
}

/// The article's and the blog's clients waited once more after the last attempt, and then failed.
#[tokio::test(start_paused = true)]
async fn there_is_no_wait_after_the_last_attempt() {
    let start = now();
    let server = Server::new([Reply::of(429, &[("retry-after", "10")])]);
    send(&exact(), server.clone(), get()).await.unwrap();
    assert_eq!((server.attempts(), now() - start), (4, secs(30)));
}

#[tokio::test(start_paused = true)]
async fn without_retries_every_result_passes_as_it_is() {
    let layer = RetryLayer::new().max_retries(0);
    for status in [200, 404, 429, 503] {
        let response = send(&layer, Server::always(status), get()).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(response.extensions().is_empty());
    }
    let server = Server::new([Reply::broken()]);
    let error = send(&layer, server.clone(), get()).await.unwrap_err();
    assert_eq!(
        (error.downcast_ref(), server.attempts()),
        (Some(&Broken), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_the_callers_as_it_was() {
    let server = Server::new([Reply::broken()]);
    let error = send(&RetryLayer::new(), server.clone(), get())
        .await
        .unwrap_err();
    assert_eq!(
        (error.downcast_ref(), server.attempts()),
        (Some(&Broken), 4)
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_server_forbids_is_never_retried() {
    for headers in [
        vec![("x-should-retry", "false")],
        vec![("x-should-retry", "false"), ("retry-after", "1")],
        vec![("x-envoy-ratelimited", "true")],
        vec![("x-envoy-overloaded", "true")],
    ] {
        for status in [429, 500, 503] {
            for layer in [RetryLayer::new(), RetryLayer::around_adaptive()] {
                assert!(
                    !is_retried(&layer, Reply::of(status, &headers)).await,
                    "{headers:?}"
                );
            }
        }
    }
}

/// gRPC A6: the one signal of which garbage means *stop*.
#[tokio::test(start_paused = true)]
async fn a_pushback_that_is_negative_or_garbage_stops() {
    for (pushback, retried) in [
        ("-1", false),
        ("soon", false),
        ("", false),
        ("99999999999", false),
        ("0", true),
        ("20", true),
    ] {
        let headers = [("grpc-status", "14"), ("grpc-retry-pushback-ms", pushback)];
        let found = is_retried(&RetryLayer::new(), Reply::of(200, &headers)).await;
        assert_eq!(found, retried, "{pushback}");
    }
    let twice = [
        ("grpc-status", "8"),
        ("grpc-retry-pushback-ms", "20"),
        ("grpc-retry-pushback-ms", "20"),
    ];
    assert!(!is_retried(&RetryLayer::new(), Reply::of(200, &twice)).await);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_asks_to_be_retried_is_whatever_the_error() {
    let asked = |status| Reply::of(status, &[("x-should-retry", "true")]);
    assert!(is_retried(&RetryLayer::new(), asked(409)).await);
    assert!(is_retried(&RetryLayer::new(), asked(599)).await);
    assert!(!is_retried(&RetryLayer::new(), asked(200)).await);
    assert!(!is_retried(&RetryLayer::only_throttled(), asked(409)).await);
}

#[tokio::test(start_paused = true)]
async fn a_closure_decides_on_anything_else() {
    let layer = exact().classify(|result: Result<&Response<()>, &BoxError>| match result {
        Ok(response) if response.status() == 520 => Outcome::Throttled,
        Err(error) if error.is::<Broken>() => Outcome::Ignored,
        result => RetryOn::default().outcome(result),
    });
    let server = Server::new([520, 503, 200].map(Reply::status));
    send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.waits(), [1000, 100].map(crate::ms));
    let server = Server::new([Reply::broken()]);
    send(&layer, server.clone(), get()).await.unwrap_err();
    assert_eq!(server.attempts(), 1);
}

/// A judgement that takes the trailers is none when there is only the head.
#[tokio::test(start_paused = true)]
async fn a_verdict_that_comes_later_is_not_waited_for() {
    let layer = exact().classify(tower_throttle_core::HttpOutcome);
    let head = Reply::of(200, &[("content-type", "application/grpc")]);
    let server = Server::new([head]);
    let response = send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.attempts(), 1);
    assert_eq!(response.extensions().get::<Attempts>(), None);
}

#[tokio::test(start_paused = true)]
async fn the_policy_can_be_used_without_the_layer() {
    let layer = tower::retry::RetryLayer::new(exact().policy());
    let server = Server::new([503, 200].map(Reply::status));
    send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.attempts(), 2);
}
