//! Which responses close the gate, and for how long.

use std::{
    convert::Infallible,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::RETRY_AFTER};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tower::{Layer, ServiceExt, service_fn};
use tower_throttle_core::{Classify, Outcome, Verdict, hold};
use tower_throttle_retry_after::{Concurrency, Listen, Profile, RetryAfterLayer, Signals, Word};

use crate::world::{closed_by, exact_layer, ms, now, response, secs};

const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// `google.rpc.Status { code: 8, message: "x", details: [RetryInfo { retry_delay: 30 s }] }`
const RETRY_INFO: &str =
    "CAgSAXgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIHg";

fn github() -> RetryAfterLayer {
    exact_layer().profile(Profile::github())
}

#[tokio::test(start_paused = true)]
async fn each_way_of_saying_wait_closes_it_for_as_long_as_was_said() {
    const DATE: (&str, &str) = ("date", "Fri, 29 Sep 2023 16:26:37 GMT");
    const LATER: &str = "Fri, 29 Sep 2023 16:27:07 GMT";
    let exhausted = [
        DATE,
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", LATER),
    ];
    for (status, headers, pause) in [
        (429, &[("retry-after", "7")][..], secs(7)),
        (429, &[("retry-after-ms", "70")], ms(70)),
        (429, &[DATE, ("retry-after", LATER)], secs(30)),
        (429, &exhausted, secs(30)),
        (429, &[("ratelimit", r#""default";r=0;t=9"#)], secs(9)),
        // Whole seconds of the epoch: a second is added, as they were cut off.
        (429, &[DATE, ("retry-after", "1696004827")], secs(31)),
        (503, &[("retry-after", "7")], secs(7)),
        (503, &[DATE, ("retry-after", LATER)], secs(30)),
        (503, &[("x-ms-retry-after-ms", "70")], ms(70)),
        (
            503,
            &[("retry-after", "0"), ("retry-after-ms", "70")],
            ms(70),
        ),
        (
            200,
            &[GRPC, ("grpc-status", "8"), ("grpc-retry-pushback-ms", "70")],
            ms(70),
        ),
        // The first version took the status for a failure, and the retries for turned away.
        (
            200,
            &[
                GRPC,
                ("grpc-status", "14"),
                ("grpc-retry-pushback-ms", "70"),
            ],
            ms(70),
        ),
        (
            200,
            &[
                GRPC,
                ("grpc-status", "8"),
                ("grpc-status-details-bin", RETRY_INFO),
            ],
            secs(30),
        ),
    ] {
        let closed = closed_by(&exact_layer(), response(status, headers)).await;
        assert_eq!(closed.unwrap(), Some(pause), "{status} {headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_say_wait_does_not_close_it() {
    let exhausted = &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")];
    for (status, headers) in [
        (200, &[][..]),
        (200, &[("retry-after", "7")]),
        (204, exhausted),
        (302, &[("retry-after", "7")]),
        (400, &[("retry-after", "7")]),
        (403, &[("retry-after", "7")]),
        (500, &[("retry-after", "7")]),
        (503, &[]),
        (503, exhausted),
        (503, &[("retry-after-ms", "0")]),
        (
            200,
            &[GRPC, ("grpc-status", "0"), ("grpc-retry-pushback-ms", "70")],
        ),
        (200, &[GRPC, ("grpc-status", "14")]),
        (
            200,
            &[
                GRPC,
                ("grpc-status", "14"),
                ("grpc-retry-pushback-ms", "-1"),
            ],
        ),
        (
            200,
            &[GRPC, ("grpc-status", "14"), ("grpc-retry-pushback-ms", "0")],
        ),
    ] {
        let closed = closed_by(&exact_layer(), response(status, headers)).await;
        assert_eq!(closed.unwrap(), None, "{status} {headers:?}");
    }
}

/// The first version closed after a 429 without a header only: all the others went through an open
/// gate.
#[tokio::test(start_paused = true)]
async fn what_says_too_much_but_not_for_how_long_closes_it_for_a_second_or_as_one_likes() {
    const DATE: (&str, &str) = ("date", "Fri, 29 Sep 2023 16:26:37 GMT");
    const EARLIER: (&str, &str) = ("retry-after", "Fri, 29 Sep 2023 16:26:07 GMT");
    let exhausted = [
        DATE,
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1696004700"),
    ];
    for (status, headers) in [
        (429, &[][..]),
        (429, &[("retry-after", "0")]),
        (429, &[("retry-after", "soon")]),
        (429, &[DATE, EARLIER]),
        (503, &[("retry-after", "0")]),
        (503, &[("retry-after", "soon")]),
        (503, &[DATE, EARLIER]),
        (200, &[GRPC, ("grpc-status", "8")]),
        (
            200,
            &[GRPC, ("grpc-status", "8"), ("grpc-retry-pushback-ms", "0")],
        ),
        (
            200,
            &[GRPC, ("grpc-status", "8"), ("grpc-retry-pushback-ms", "-1")],
        ),
        // The first version took the second that is added to epochs for what the server asked for.
        (429, &[DATE, ("retry-after", "1696004700")]),
        (429, &[DATE, ("retry-after", "1696004797")]),
        (429, &exhausted),
    ] {
        for (layer, pause) in [
            (exact_layer(), Some(secs(1))),
            (exact_layer().default_pause(secs(5)), Some(secs(5))),
            (exact_layer().default_pause(secs(0)), None),
        ] {
            let closed = closed_by(&layer, response(status, headers)).await;
            assert_eq!(closed.unwrap(), pause, "{status} {headers:?}");
        }
    }
}

/// The first version left the gate open: Envoy's profile reads no header but those that it is given.
#[tokio::test(start_paused = true)]
async fn a_wait_that_the_profile_does_not_find_closes_it_for_a_second() {
    for status in [429, 503] {
        let layer = exact_layer().profile(Profile::envoy_reset([]));
        let closed = closed_by(&layer, response(status, &[("retry-after", "7")])).await;
        assert_eq!(closed.unwrap(), Some(secs(1)), "{status}");
    }
}

/// The first version read the head all the same, and the retries did not: they went through an open
/// gate.
#[tokio::test(start_paused = true)]
async fn signals_that_a_layer_has_put_into_the_extensions_count_instead_of_the_head() {
    for (in_head, in_body, pause) in [(None, "30", secs(30)), (Some("7"), "30", secs(30))] {
        let headers: Vec<_> = in_head
            .map(|wait| ("retry-after", wait))
            .into_iter()
            .collect();
        let mut answer = response(429, &headers);
        let found = HeaderMap::from_iter([(RETRY_AFTER, in_body.parse().unwrap())]);
        let signals = Signals::read(&found, answer.status(), &Profile::generic(), UNIX_EPOCH);
        answer.extensions_mut().insert(signals);
        let closed = closed_by(&exact_layer(), answer).await;
        assert_eq!(closed.unwrap(), Some(pause));
    }
}

#[tokio::test(start_paused = true)]
async fn a_403_of_github_closes_it_and_no_other() {
    let told = || response(403, &[("retry-after", "7")]);
    assert_eq!(closed_by(&github(), told()).await.unwrap(), Some(secs(7)));
    let headers = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")];
    let exhausted = response(403, &headers);
    assert_eq!(
        closed_by(&github(), exhausted).await.unwrap(),
        Some(secs(30))
    );
    let secondary = response(403, &[("x-ratelimit-remaining", "14")]);
    assert_eq!(
        closed_by(&github(), secondary).await.unwrap(),
        Some(secs(60))
    );
    assert_eq!(
        closed_by(&github(), response(404, &[])).await.unwrap(),
        None
    );
    assert_eq!(closed_by(&exact_layer(), told()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn nothing_remaining_closes_it_only_if_one_wants_that() {
    let exhausted = || {
        let headers = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")];
        response(200, &headers)
    };
    assert_eq!(closed_by(&exact_layer(), exhausted()).await.unwrap(), None);
    let layer = exact_layer().act_on_exhausted();
    assert_eq!(
        closed_by(&layer, exhausted()).await.unwrap(),
        Some(secs(30))
    );
}

/// The first version obeyed the `Retry-After` alone, and was refused again after it.
#[tokio::test(start_paused = true)]
async fn the_longer_one_of_a_wait_and_the_reset_of_an_exhausted_limit_counts() {
    for (wait, reset, pause) in [("1", "60", 60), ("60", "1", 60)] {
        let answer = || {
            let exhausted = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)];
            response(429, &[&[("retry-after", wait)][..], &exhausted].concat())
        };
        let layer = exact_layer().act_on_exhausted();
        let closed = closed_by(&layer, answer()).await.unwrap();
        assert_eq!(closed, Some(secs(pause)));
        let closed = closed_by(&exact_layer(), answer()).await.unwrap();
        assert_eq!(closed, Some(secs(wait.parse().unwrap())), "by default");
    }
}

#[tokio::test(start_paused = true)]
async fn to_act_on_what_remains_it_takes_nothing_remaining_and_a_reset() {
    let layer = exact_layer().act_on_exhausted();
    for headers in [
        &[("x-ratelimit-remaining", "0")][..],
        &[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "30")],
        &[("retry-after", "7")],
    ] {
        let closed = closed_by(&layer, response(200, headers)).await;
        assert_eq!(closed.unwrap(), None, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_remaining_in_the_head_of_a_grpc_call_counts_before_its_trailers() {
    let headers = [
        GRPC,
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "30"),
    ];
    let layer = exact_layer().act_on_exhausted();
    let closed = closed_by(&layer, response(200, &headers)).await;
    assert_eq!(closed.unwrap(), Some(secs(30)));
}

type Stream = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// A gRPC call that fails after its first message.
async fn fails_half_way(_: Request<()>) -> Result<Response<Stream>, Infallible> {
    Ok(failing_with(&[
        ("grpc-status", "8"),
        ("grpc-retry-pushback-ms", "70"),
    ]))
}

fn failing_with(trailers: &[(&'static str, &str)]) -> Response<Stream> {
    let trailers = response(200, trailers).headers().clone();
    let frames = [
        Frame::data(Bytes::from_static(b"one")),
        Frame::trailers(trailers),
    ];
    let body = StreamBody::new(tokio_stream::iter(frames.map(Ok)));
    let mut response = Response::new(body.boxed_unsync());
    response
        .headers_mut()
        .insert("content-type", "application/grpc".parse().unwrap());
    response
}

/// The first version took `UNAVAILABLE` for a failure, whatever it said.
#[tokio::test(start_paused = true)]
async fn trailers_close_it_for_as_long_as_they_say() {
    const PUSHBACK: (&str, &str) = ("grpc-retry-pushback-ms", "70");
    for (trailers, pause) in [
        (&[("grpc-status", "14"), PUSHBACK][..], Some(ms(70))),
        (&[("grpc-status", "14")], None),
        (&[("grpc-status", "8")], None),
        (&[("grpc-status", "0"), PUSHBACK], None),
    ] {
        let layer = exact_layer().hold(hold::Body);
        let answer = service_fn(async |_: Request<()>| Ok::<_, Infallible>(failing_with(trailers)));
        let response = layer.layer(answer).oneshot(Request::new(())).await.unwrap();
        response.into_body().collect().await.unwrap();
        let closed = layer.limiter().resume_at().map(|at| at - now());
        assert_eq!(closed, pause, "{trailers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_after_a_body_are_heard_if_the_call_is_held_until_then() {
    let layer = exact_layer().hold(hold::Body);
    let response = layer
        .layer(service_fn(fails_half_way))
        .oneshot(Request::new(()))
        .await;
    let body = response.unwrap().into_body();
    assert_eq!(layer.limiter().resume_at(), None);
    body.collect().await.unwrap();
    assert_eq!(layer.limiter().resume_at(), Some(now() + ms(70)));
}

#[tokio::test(start_paused = true)]
async fn by_default_the_head_decides_and_the_response_is_of_the_same_type() {
    let layer = exact_layer();
    let response = layer
        .layer(service_fn(fails_half_way))
        .oneshot(Request::new(()))
        .await;
    let body: Stream = response.unwrap().into_body();
    body.collect().await.unwrap();
    assert_eq!(layer.limiter().resume_at(), None);
}

#[tokio::test(start_paused = true)]
async fn an_error_or_a_call_that_is_given_up_does_not_close_it() {
    let layer = exact_layer();
    let failing =
        service_fn(async |_: Request<()>| Err::<Response<()>, _>(std::io::Error::other("gone")));
    layer
        .layer(failing)
        .oneshot(Request::new(()))
        .await
        .unwrap_err();
    let pending =
        service_fn(|_: Request<()>| std::future::pending::<Result<Response<()>, Infallible>>());
    let call = layer.layer(pending).oneshot(Request::new(()));
    tokio::time::timeout(secs(1), call).await.unwrap_err();
    assert_eq!(layer.limiter().resume_at(), None);
}

fn word(outcome: Outcome, pause: Option<Duration>) -> Word {
    Word::new(outcome, pause)
}

/// What a limiter is told of a response by its head.
fn heard(listen: &Listen, response: &Response<()>) -> Word {
    match Classify::<_, Infallible>::classify(listen, Ok(response)) {
        Verdict::Known(word) => word,
        Verdict::Later(_) => panic!("the head decides"),
    }
}

#[test]
fn a_limiter_beside_the_gate_learns_the_outcome_of_the_same_response() {
    let listen = Listen::new();
    for (status, headers, expected) in [
        (200, &[][..], word(Outcome::Succeeded, None)),
        (404, &[], word(Outcome::Ignored, None)),
        (500, &[], word(Outcome::Failed, None)),
        (503, &[], word(Outcome::Failed, None)),
        (
            503,
            &[("retry-after-ms", "70")],
            word(Outcome::Throttled, Some(ms(70))),
        ),
        (403, &[], word(Outcome::Ignored, None)),
        (429, &[], word(Outcome::Throttled, Some(secs(1)))),
        (200, &[("grpc-status", "14")], word(Outcome::Failed, None)),
        (
            200,
            &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "70")],
            word(Outcome::Throttled, Some(ms(70))),
        ),
    ] {
        assert_eq!(
            heard(&listen, &response(status, headers)),
            expected,
            "{status}"
        );
    }
    let listen = Listen::new().profile(Profile::github());
    let limited = heard(&listen, &response(403, &[]));
    assert_eq!(limited, word(Outcome::Throttled, Some(secs(60))));
    let both: (Word, Outcome) = limited.into();
    assert_eq!(both, (limited, Outcome::Throttled));
}

/// A law that finds its own answer to a bare 429 must be able to tell what the server asked for.
#[test]
fn without_a_default_pause_a_limiter_is_told_what_the_server_asked_for_and_nothing_else() {
    let listen = Listen::new().default_pause(Duration::ZERO);
    for (status, headers, pause) in [
        (429, &[][..], None),
        (429, &[("retry-after", "7")], Some(secs(7))),
        (429, &[("retry-after", "0")], Some(secs(0))),
        (503, &[("retry-after", "7")], Some(secs(7))),
        (503, &[("retry-after", "soon")], None),
        (200, &[("grpc-status", "8")], None),
        (
            200,
            &[("grpc-status", "8"), ("grpc-retry-pushback-ms", "70")],
            Some(ms(70)),
        ),
    ] {
        let expected = word(Outcome::Throttled, pause);
        assert_eq!(
            heard(&listen, &response(status, headers)),
            expected,
            "{status} {headers:?}"
        );
    }
}

#[test]
fn a_limiter_beside_the_gate_learns_what_is_said_of_the_requests_in_flight() {
    let slots = (
        "ratelimit-policy",
        r#""a";q=9;qu="concurrent-requests", "b";q=4;qu="concurrent-requests", "c";q=2;w=60"#,
    );
    let okta = [("x-rate-limit-limit", "0"), ("x-rate-limit-remaining", "0")];
    let stripe = ("stripe-rate-limited-reason", "global-concurrency");
    for (status, headers, expected) in [
        (200, &[slots][..], Some(Concurrency::AtMost(4))),
        (429, &[slots], Some(Concurrency::AtMost(4))),
        (429, &okta, Some(Concurrency::TooMany)),
        (429, &[stripe], Some(Concurrency::TooMany)),
        (200, &okta, None),
        (429, &[("retry-after", "7")], None),
        (200, &[("ratelimit-policy", r#""c";q=2;w=60"#)], None),
    ] {
        let word = heard(&Listen::new(), &response(status, headers));
        assert_eq!(word.concurrency, expected, "{status} {headers:?}");
        assert_eq!(word.pause.is_some(), status == 429, "{status} {headers:?}");
    }
}
