//! The layers, in virtual time.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_throttle_aimd::{AdaptiveLayer, AimdLayer, Law, PacedLayer};
use tower_throttle_core::{BoxError, Outcome, Rejected, Why, now};
use tower_throttle_retry_after::{OverCap, RetryLayer, Word};
use tower_throttle_token_bucket::Rate;

const SECOND: Duration = Duration::from_secs(1);

/// A server with a quota per fixed window, that takes 100 ms for an answer.
#[derive(Debug, Clone)]
struct Quota {
    start: Instant,
    quota: u32,
    window: Duration,
    /// Accepted and refused, in each window.
    seen: Arc<Mutex<Vec<[u32; 2]>>>,
}

impl Quota {
    fn new(quota: u32, window: Duration) -> Self {
        Self {
            start: now(),
            quota,
            window,
            seen: Arc::default(),
        }
    }

    fn answer(&self) -> StatusCode {
        let window = since(self.start).as_nanos() / self.window.as_nanos();
        let window = usize::try_from(window).unwrap();
        let mut seen = self.seen.lock().unwrap();
        let windows = seen.len().max(window + 1);
        seen.resize(windows, [0; 2]);
        let over = seen[window][0] >= self.quota;
        seen[window][usize::from(over)] += 1;
        if over {
            StatusCode::TOO_MANY_REQUESTS
        } else {
            StatusCode::OK
        }
    }

    fn service(
        &self,
    ) -> impl Service<Request<()>, Response = Response<()>, Error = Infallible, Future: Send>
    + Clone
    + use<> {
        let server = self.clone();
        service_fn(move |_: Request<()>| {
            let server = server.clone();
            async move {
                tokio::time::sleep(SECOND / 10).await;
                let response = Response::builder().status(server.answer());
                Ok(response.body(()).unwrap())
            }
        })
    }
}

fn since(start: Instant) -> Duration {
    now().saturating_duration_since(start)
}

fn request() -> Request<()> {
    Request::new(())
}

/// Answers with this status, and a `Retry-After` of so many seconds.
fn server(
    status: u16,
    retry_after: Option<u32>,
) -> impl Service<Request<()>, Response = Response<()>, Error = Infallible, Future: Send> + Clone {
    service_fn(move |_: Request<()>| {
        let mut response = Response::builder().status(status);
        if let Some(seconds) = retry_after {
            response = response.header("retry-after", seconds);
        }
        async move { Ok(response.body(()).unwrap()) }
    })
}

/// One request, to a server that answers like this.
async fn ask<L: Law>(
    layer: &PacedLayer<L>,
    status: u16,
    retry_after: Option<u32>,
) -> Result<Response<()>, BoxError> {
    layer
        .layer(server(status, retry_after))
        .oneshot(request())
        .await
}

fn rejected(error: &BoxError) -> &Rejected {
    error.downcast_ref().unwrap()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_refused_requests_go_back_to_the_line() {
    let server = Quota::new(20, 10 * SECOND);
    let adaptive = AdaptiveLayer::new().seed(1);
    let stack = RetryLayer::around_adaptive().layer(adaptive.layer(server.service()));

    let all = (0..200).map(|_| tokio::spawn(stack.clone().oneshot(request())));
    for call in all.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
    }

    let seen = server.seen.lock().unwrap();
    let [accepted, refused] = seen.iter().fold([0, 0], |sum, window| {
        [sum[0] + window[0], sum[1] + window[1]]
    });
    assert_eq!(accepted, 200);
    assert!(refused <= 20, "{refused} refusals");
}

// The gate's own spread on top of the law's would make a client wait for two phases.
#[tokio::test(start_paused = true)]
async fn a_retry_after_is_obeyed_once() {
    for seed in 0..20 {
        let layer = AdaptiveLayer::new()
            .max_rate(Rate::per_second(90))
            .seed(seed);
        ask(&layer, 429, Some(5)).await.unwrap();

        let heard = now();
        ask(&layer, 200, None).await.unwrap();

        // A ninth of 90/s, and cut by a tenth: 9/s.
        let most = SECOND / 9 + Duration::from_millis(2);
        let waited = since(heard);
        assert!(
            (5 * SECOND..=5 * SECOND + most).contains(&waited),
            "{waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_bare_429_holds_everybody_back_for_one_interval() {
    let layer = AdaptiveLayer::new().max_rate(Rate::per_second(80)).seed(1);
    ask(&layer, 429, None).await.unwrap();
    let heard = now();
    let interval = Duration::from_secs_f64(layer.limiter().rate().recip());
    assert!(layer.limiter().resume_at().is_some());

    ask(&layer, 200, None).await.unwrap();

    let waited = since(heard);
    // tokio's timers are as fine as that.
    let late = Duration::from_millis(2);
    assert!((interval..=interval + late).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_clamped_is_no_longer_than_the_cap_to_the_law_either() {
    let layer = AdaptiveLayer::new()
        .max_rate(Rate::per_second(80))
        .cap(10 * SECOND)
        .over_cap(OverCap::Clamp)
        .seed(1);
    ask(&layer, 429, Some(3600)).await.unwrap();
    let heard = now();

    ask(&layer, 200, None).await.unwrap();

    assert!(since(heard) < 11 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn requests_are_refused_while_the_server_asks_for_more_than_the_cap() {
    let layer = AdaptiveLayer::new().seed(1);
    ask(&layer, 429, Some(3600)).await.unwrap();

    let error = ask(&layer, 200, None).await.unwrap_err();

    assert_eq!(rejected(&error).why(), Why::Closed);
    assert!(rejected(&error).retry_after() >= Some(3599 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn resuming_by_hand_ends_the_pause_of_the_gate_and_of_the_law() {
    let layer = AdaptiveLayer::new().max_rate(Rate::per_second(80)).seed(1);
    ask(&layer, 429, Some(60)).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let start = now();

    layer.limiter().resume();
    assert_eq!(layer.limiter().resume_at(), None);
    ask(&layer, 200, None).await.unwrap();

    assert_eq!(since(start), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_cut_refuses_those_in_line_who_would_now_wait_for_too_long() {
    let layer = AimdLayer::new(Rate::per_second(1)).penalty(0.9).floor(0.01);
    let layer = layer.max_wait(5 * SECOND).seed(1);
    let first = tokio::spawn(layer.layer(server(429, None)).oneshot(request()));
    tokio::task::yield_now().await;
    let later = (0..3).map(|_| tokio::spawn(layer.layer(server(200, None)).oneshot(request())));
    let later = later.collect::<Vec<_>>();

    first.await.unwrap().unwrap();
    let cut = now();
    for call in later {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(rejected(&error).why(), Why::TooLong);
    }

    assert_eq!(since(cut), Duration::ZERO);
}

// Guards against the stkai SDK: its sleeps are stretched by up to a fifth after the budget is checked.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_longer_than_the_budget() {
    let layer = AimdLayer::new(Rate::per_second(1)).max_wait(5 * SECOND);
    // The rate is no longer that of the start after the next send.
    tokio::time::sleep(10 * SECOND).await;
    ask(&layer, 200, None).await.unwrap();
    let call = || async {
        let start = now();
        let result = ask(&layer, 200, None).await;
        (result.is_ok(), since(start))
    };

    let calls = futures_util::future::join_all((0..20).map(|_| call())).await;

    assert!(
        calls
            .iter()
            .all(|(_, waited)| *waited <= 5 * SECOND + Duration::from_millis(2))
    );
    assert!(calls.iter().filter(|(served, _)| *served).count() >= 5);
}

// Guards against the stkai SDK: a 503 raised the limit, as a success does.
#[tokio::test(start_paused = true)]
async fn an_outage_leaves_a_rate_as_it_is() {
    for layer in [
        AimdLayer::new(Rate::per_second(10)),
        AimdLayer::new(Rate::per_second(10)).per_response(),
    ] {
        ask(&layer, 429, None).await.unwrap();
        let rate = layer.limiter().rate();

        for status in [500, 503, 408] {
            for _ in 0..5 {
                ask(&layer, status, None).await.unwrap();
            }
        }

        assert_eq!(layer.limiter().rate().to_bits(), rate.to_bits());
    }
}

// Guards against the stkai SDK: each success raised the limit, however few the requests.
#[tokio::test(start_paused = true)]
async fn a_classic_rate_grows_by_the_time_that_it_is_used() {
    let layer = AimdLayer::new(Rate::per_second(10))
        .max_wait(60 * SECOND)
        .seed(1);
    tokio::time::sleep(10 * SECOND).await;
    ask(&layer, 429, None).await.unwrap();
    let cut = layer.limiter().rate();

    for _ in 0..20 {
        tokio::time::sleep(SECOND).await;
        ask(&layer, 200, None).await.unwrap();
    }
    let unused = layer.limiter().rate();
    for _ in 0..30 {
        ask(&layer, 200, None).await.unwrap();
    }

    assert_eq!(unused.to_bits(), cut.to_bits());
    // Some four seconds, of 0.05 · 10 per second.
    let grown = layer.limiter().rate() - unused;
    assert!((1.2..=2.6).contains(&grown), "{grown}");
}

#[tokio::test(start_paused = true)]
async fn per_response_each_429_cuts_and_each_success_raises() {
    let layer = AimdLayer::new(Rate::per_second(10)).per_response().seed(1);
    assert_eq!(layer.limiter().snapshot().burst, Some(10));

    let mut last = layer.limiter().rate();
    for (status, is_cut) in [(429, true), (429, true), (200, false), (200, false)] {
        ask(&layer, status, None).await.unwrap();
        let rate = layer.limiter().rate();
        assert_eq!(rate < last, is_cut);
        last = rate;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_in_flight_changes_nothing() {
    let layer = AdaptiveLayer::new().max_rate(Rate::per_second(80)).seed(1);
    tokio::time::sleep(SECOND).await;
    let never =
        service_fn(|_: Request<()>| std::future::pending::<Result<Response<()>, BoxError>>());
    let before = layer.limiter().rate();
    let call = layer.layer(never).oneshot(request());
    assert!(tokio::time::timeout(SECOND, call).await.is_err());

    assert_eq!(layer.limiter().resume_at(), None);
    assert_eq!(layer.limiter().rate().to_bits(), before.to_bits());
}

#[tokio::test(start_paused = true)]
async fn clones_share_a_rate_and_a_setter_of_the_law_makes_a_new_one() {
    let layer = AdaptiveLayer::new().seed(1);
    let is_shared = |other: &AdaptiveLayer| {
        let limiter = layer.limiter().shared();
        limiter.is_shared_with(other.limiter().shared())
    };

    assert!(is_shared(&layer.clone()));
    assert!(is_shared(
        &layer
            .clone()
            .name("files")
            .profile(tower_throttle_retry_after::Profile::github())
    ));
    assert!(!is_shared(&layer.clone().window(SECOND)));
    assert!(!is_shared(&layer.clone().max_wait(SECOND)));
}

#[tokio::test(start_paused = true)]
async fn a_closure_judges_what_is_no_http() {
    let layer = AdaptiveLayer::new().max_rate(Rate::per_second(80)).seed(1);
    let limiter = layer.limiter().clone();
    let layer = layer.classify(|result: Result<&&str, &Infallible>| {
        let outcome = match result {
            Ok(&"slow down") => Outcome::Throttled,
            Ok(_) => Outcome::Succeeded,
            Err(_) => Outcome::Failed,
        };
        Word::new(outcome, None)
    });
    let service = layer.layer(service_fn(async |answer: &'static str| Ok(answer)));

    service.clone().oneshot("well").await.unwrap();
    assert_eq!(limiter.resume_at(), None);
    service.oneshot("slow down").await.unwrap();
    assert!(limiter.resume_at().is_some());
}

#[tokio::test(start_paused = true)]
async fn backpressure_paces_in_poll_ready() {
    let layer = AimdLayer::new(Rate::per_second(1)).backpressure();
    let mut service = layer.layer(server(200, None));
    let mut sent = Vec::new();
    for _ in 0..2 {
        let ready = service.ready().await.unwrap();
        ready.call(request()).await.unwrap();
        sent.push(now());
    }
    assert!(sent[1] - sent[0] >= SECOND - Duration::from_millis(10));
}
