//! What ends a call, and what is learnt from it.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_throttle_core::{
    BoxError, Classify, HttpOutcome, LimitLayer, Limiter, Outcome, Shared, Verdict, Wait,
    hold::{Body, Caller, Settlement},
    track::Tracked,
};

type Heard = Arc<Mutex<Vec<Option<Outcome>>>>;

/// Lets everything pass and writes down what it learns.
#[derive(Debug, Default)]
struct Listener {
    heard: Heard,
    in_flight: u32,
}

impl Limiter for Listener {
    type Cost = ();
    type Permit = ();
    type Feedback = Outcome;

    fn check(&self, _cost: &(), _now: Instant) -> Wait {
        Wait::Now
    }

    fn take(&mut self, _cost: (), _at: Instant) {
        self.in_flight += 1;
    }

    fn cancel(&mut self, _permit: (), _now: Instant) {
        self.in_flight -= 1;
    }

    fn complete(&mut self, _permit: (), feedback: Option<Outcome>, _now: Instant) {
        self.in_flight -= 1;
        self.heard.lock().unwrap().push(feedback);
    }
}

fn listener() -> (Shared<Listener>, Heard) {
    let listener = Listener::default();
    let heard = Arc::clone(&listener.heard);
    (Shared::new(listener), heard)
}

fn heard(heard: &Heard) -> Vec<Option<Outcome>> {
    heard.lock().unwrap().clone()
}

fn in_flight(shared: &Shared<Listener>) -> u32 {
    shared.update(|listener, _now| listener.in_flight)
}

fn trailers(status: &'static str) -> HeaderMap {
    let status = HeaderValue::from_static(status);
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), status)])
}

/// A gRPC response: a message, then its status in the trailers.
fn grpc(
    status: &'static str,
) -> impl Service<
    (),
    Response = Response<impl http_body::Body<Data = Bytes, Error = Infallible> + Unpin>,
    Error = Infallible,
    Future: Send,
> + Clone {
    service_fn(move |()| async move {
        let end = std::future::ready(Some(Ok(trailers(status))));
        let body = Full::new(Bytes::from_static(b"message")).with_trailers(end);
        let response = Response::builder().header(CONTENT_TYPE, "application/grpc");
        Ok(response.body(body).unwrap())
    })
}

fn status(
    status: u16,
) -> impl Service<(), Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> + Clone {
    service_fn(move |()| async move {
        let body = Full::new(Bytes::from_static(b"body"));
        Ok(Response::builder().status(status).body(body).unwrap())
    })
}

#[tokio::test(start_paused = true)]
async fn the_head_ends_a_call_unless_told_otherwise() {
    let (shared, learnt) = listener();
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(HttpOutcome));
    let response = layer.layer(status(200)).oneshot(()).await.unwrap();
    assert_eq!(
        (in_flight(&shared), heard(&learnt)),
        (0, vec![Some(Outcome::Succeeded)])
    );
    drop(response);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_body_ends_a_call() {
    let (shared, learnt) = listener();
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(HttpOutcome).hold(Body));
    let response = layer.layer(status(200)).oneshot(()).await.unwrap();
    assert_eq!((in_flight(&shared), heard(&learnt)), (1, vec![]));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "body");
    assert_eq!(
        (in_flight(&shared), heard(&learnt)),
        (0, vec![Some(Outcome::Succeeded)])
    );
}

#[tokio::test(start_paused = true)]
async fn the_trailers_say_what_a_grpc_call_came_to() {
    for (code, outcome) in [("0", Outcome::Succeeded), ("8", Outcome::Throttled)] {
        let (shared, learnt) = listener();
        let layer = LimitLayer::new(shared.clone()).track(Tracked::new(HttpOutcome).hold(Body));
        let response = layer.layer(grpc(code)).oneshot(()).await.unwrap();
        assert_eq!((in_flight(&shared), heard(&learnt)), (1, vec![]));
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.trailers(), Some(&trailers(code)));
        assert_eq!(
            (in_flight(&shared), heard(&learnt)),
            (0, vec![Some(outcome)])
        );
    }
}

/// The head says nothing yet, and nobody waits for the trailers.
#[tokio::test(start_paused = true)]
async fn a_429_whose_body_nobody_reads_is_a_429() {
    let (shared, learnt) = listener();
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(HttpOutcome).hold(Body));
    drop(layer.layer(status(429)).oneshot(()).await.unwrap());
    assert_eq!(
        (in_flight(&shared), heard(&learnt)),
        (0, vec![Some(Outcome::Throttled)])
    );
}

#[tokio::test(start_paused = true)]
async fn a_grpc_body_that_is_dropped_teaches_nothing() {
    let (shared, learnt) = listener();
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(HttpOutcome).hold(Body));
    drop(layer.layer(grpc("8")).oneshot(()).await.unwrap());
    assert_eq!((in_flight(&shared), heard(&learnt)), (0, vec![None]));
}

// Guards against limiters that hear of every refusal of a gRPC server, which comes in the head, and of
// none of its acceptances: they never grew again.
#[tokio::test(start_paused = true)]
async fn a_grpc_call_that_ends_with_its_head_was_let_in() {
    let (shared, learnt) = listener();
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(HttpOutcome));
    drop(layer.layer(grpc("8")).oneshot(()).await.unwrap());
    assert_eq!(
        (in_flight(&shared), heard(&learnt)),
        (0, vec![Some(Outcome::Succeeded)])
    );
}

#[tokio::test(start_paused = true)]
async fn the_caller_ends_a_call_once() {
    let (shared, learnt) = listener();
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(HttpOutcome).hold(Caller));
    let response = layer.layer(status(200)).oneshot(()).await.unwrap();
    let settlement = response.extensions().get::<Settlement<Listener>>().unwrap();
    assert!(!settlement.is_settled());
    assert_eq!(settlement.settle(Outcome::Throttled), Ok(()));
    assert_eq!(settlement.settle(Outcome::Failed), Err(Outcome::Failed));
    assert_eq!(
        (in_flight(&shared), heard(&learnt)),
        (0, vec![Some(Outcome::Throttled)])
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_drops_the_response_ends_the_call_without_a_word() {
    let (shared, learnt) = listener();
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(HttpOutcome).hold(Caller));
    drop(layer.layer(status(200)).oneshot(()).await.unwrap());
    assert_eq!((in_flight(&shared), heard(&learnt)), (0, vec![None]));
}

#[tokio::test(start_paused = true)]
async fn an_error_ends_a_call_and_reaches_the_caller() {
    let (shared, learnt) = listener();
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(HttpOutcome).hold(Body));
    let inner =
        service_fn(async |()| Err::<Response<Full<Bytes>>, _>(BoxError::from("connection reset")));
    let error = layer.layer(inner).oneshot(()).await.unwrap_err();
    assert_eq!(error.to_string(), "connection reset");
    assert_eq!(
        (in_flight(&shared), heard(&learnt)),
        (0, vec![Some(Outcome::Failed)])
    );
}

fn judge(status: u16, headers: &[(&'static str, &'static str)]) -> Option<Outcome> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for &(name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    match Classify::<_, BoxError>::classify(&HttpOutcome, Ok(&response)) {
        Verdict::Known(outcome) => Some(outcome),
        Verdict::Later(_) => None,
    }
}

#[test]
fn responses_are_judged_by_their_status() {
    use Outcome::{Failed, Ignored, Succeeded, Throttled};

    let grpc = ("content-type", "application/grpc+proto");
    for (status, headers, outcome) in [
        (200, &[][..], Some(Succeeded)),
        (304, &[], Some(Succeeded)),
        (400, &[], Some(Ignored)),
        (408, &[], Some(Failed)),
        (429, &[], Some(Throttled)),
        (500, &[], Some(Failed)),
        (503, &[], Some(Failed)),
        (503, &[("retry-after", "1")], Some(Throttled)),
        (200, &[grpc], None),
        (429, &[grpc], Some(Throttled)),
        (200, &[grpc, ("grpc-status", "0")], Some(Succeeded)),
        (200, &[grpc, ("grpc-status", "5")], Some(Ignored)),
        (200, &[grpc, ("grpc-status", "8")], Some(Throttled)),
        (200, &[grpc, ("grpc-status", "14")], Some(Failed)),
        (200, &[grpc, ("grpc-status", "rubbish")], Some(Ignored)),
    ] {
        assert_eq!(judge(status, headers), outcome, "{status} {headers:?}");
    }
}

/// A classifier that counts, or tells a limiter what it has heard, did so for requests that aren't limited.
#[tokio::test(start_paused = true)]
async fn what_passes_unlimited_is_not_judged() {
    let (shared, learnt) = listener();
    let judge = |_: Result<&Response<Full<Bytes>>, &Infallible>| -> Outcome { panic!("judged") };
    let layer = LimitLayer::new(shared.clone())
        .filter(|(): &()| false)
        .track(Tracked::new(judge));
    layer.layer(status(200)).oneshot(()).await.unwrap();
    assert_eq!((in_flight(&shared), heard(&learnt)), (0, vec![]));
}
