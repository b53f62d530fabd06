//! Retries over real HTTP and gRPC, to servers that turn requests away. Time is virtual.

mod grpc;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Instant, sleep},
};
use tonic::{
    Code, Status, body::Body, client::Grpc, codegen::http::uri::PathAndQuery, metadata::MetadataMap,
};
use tower::{ServiceBuilder, ServiceExt};
use tower_throttle_jitter::{Backoff, Jitter};
use tower_throttle_retry_after::{
    Profile, ReplayBody, RetryLayer, Signals,
    retry::{Attempts, GivenUp},
};
use tower_throttle_token_bucket::{Rate, TokenBucketLayer};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Without randomness.
fn exact() -> RetryLayer {
    let none = |base| Backoff::new(base).jitter(Jitter::none());
    RetryLayer::new()
        .backoff(none(ms(50)))
        .throttled_backoff(none(ms(1000)))
        .spread(0.0)
}

type Answer = (u16, &'static [(&'static str, &'static str)]);

/// What a server was sent: which request it was, and its body if it was read.
type Seen = Arc<Mutex<Vec<(Instant, Option<Bytes>)>>>;

/// A server that turns away the first requests without reading them, and then echoes.
async fn serve(listener: TcpListener, refusals: Vec<Answer>) -> Seen {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (log, refusals) = (Arc::clone(&log), refusals.clone());
            let service = service_fn(move |request| answer(request, log.clone(), refusals.clone()));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // That it breaks is the client's affair.
            tokio::spawn(async move { drop(connection.await) });
        }
    });
    seen
}

async fn answer(
    request: Request<Incoming>,
    seen: Seen,
    refusals: Vec<Answer>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let number = seen.lock().unwrap().len();
    seen.lock().unwrap().push((Instant::now(), None));
    if let Some((status, headers)) = refusals.get(number) {
        let mut response = Response::builder().status(*status);
        for (name, value) in *headers {
            response = response.header(*name, *value);
        }
        return Ok(response.body(Full::default()).unwrap());
    }
    let body = request.collect().await.unwrap().to_bytes();
    seen.lock().unwrap()[number].1 = Some(body.clone());
    Ok(Response::new(Full::new(body)))
}

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn to(address: SocketAddr, method: Method, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method);
    let request = request.uri(format!("http://{address}/"));
    request.body(Full::from(body)).unwrap()
}

fn http_client<B>() -> Client<legacy::connect::HttpConnector, B>
where
    B: hyper::body::Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new()).build_http()
}

/// The order that the documentation advises: retry, rate, client.
#[tokio::test(start_paused = true)]
async fn a_post_that_was_turned_away_gets_through_and_each_attempt_passes_the_limiter() {
    let (listener, address) = bind().await;
    let seen = serve(listener, vec![(429, &[("retry-after", "2")]), (429, &[])]).await;
    let client = ServiceBuilder::new()
        .layer(exact())
        .layer(TokenBucketLayer::new(Rate::per(1, ms(5000))))
        .service(http_client());
    let start = Instant::now();
    let response = client
        .oneshot(to(address, Method::POST, "hello"))
        .await
        .unwrap();
    let attempts = response.extensions().get::<Attempts>().unwrap();
    let waits: Vec<_> = attempts
        .retries()
        .iter()
        .map(|retried| retried.wait())
        .collect();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(waits, [ms(2000); 2], "asked for, and own");
    let seen = seen.lock().unwrap();
    let at: Vec<_> = seen.iter().map(|(at, _)| *at - start).collect();
    assert_eq!(at, [0, 5000, 10_000].map(ms), "a token each");
    assert_eq!(seen[2].1.as_ref().unwrap(), "hello");
}

/// The client has sent a part of the body when it is turned away, and has the rest only afterwards.
#[tokio::test(start_paused = true)]
async fn an_upload_that_was_answered_early_is_sent_again_as_a_whole() {
    let (listener, address) = bind().await;
    let seen = serve(listener, vec![(503, &[("retry-after", "1")])]).await;
    let client = ServiceBuilder::new()
        .map_request(|request: Request<Upload>| request.map(ReplayBody::new))
        .layer(exact())
        .service(http_client());
    let (chunks, body) = upload();
    chunks.send("one ").unwrap();
    let request = Request::post(format!("http://{address}/"))
        .body(body)
        .unwrap();
    let call = tokio::spawn(client.oneshot(request));
    sleep(ms(500)).await;
    assert_eq!(seen.lock().unwrap().len(), 1, "turned away by now");
    chunks.send("two ").unwrap();
    sleep(ms(5000)).await;
    assert_eq!(seen.lock().unwrap().len(), 2, "under way again by now");
    chunks.send("three").unwrap();
    drop(chunks);
    let response = call.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "one two three");
}

type Upload = UnsyncBoxBody<Bytes, Infallible>;

/// A body that is what is sent to it, and can't be cloned.
fn upload() -> (mpsc::UnboundedSender<&'static str>, Upload) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let stream = unfold(receiver, |mut receiver| async {
        let chunk: &str = receiver.recv().await?;
        Some((Ok(Frame::data(Bytes::from(chunk))), receiver))
    });
    (sender, UnsyncBoxBody::new(StreamBody::new(stream)))
}

#[tokio::test(start_paused = true)]
async fn a_post_to_a_server_that_restarts_gets_through() {
    let (listener, address) = bind().await;
    drop(listener);
    let restarted = tokio::spawn(async move {
        sleep(ms(60)).await;
        serve(TcpListener::bind(address).await.unwrap(), Vec::new()).await
    });
    let client = exact_around(http_client());
    let start = Instant::now();
    let response = client
        .oneshot(to(address, Method::POST, "hello"))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(start.elapsed(), ms(50 + 100));
    assert_eq!(restarted.await.unwrap().lock().unwrap().len(), 1);
}

fn exact_around<S>(service: S) -> <RetryLayer as tower::Layer<S>>::Service {
    tower::Layer::layer(&exact(), service)
}

/// It may have been carried out by then, and a POST isn't to be carried out twice.
#[tokio::test(start_paused = true)]
async fn when_the_connection_breaks_a_get_is_repeated_and_a_post_is_not() {
    for (method, attempts) in [(Method::GET, 4), (Method::POST, 1)] {
        let (listener, address) = bind().await;
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let counter = Arc::clone(&counter);
                let broken = service_fn(move |_: Request<Incoming>| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    async { Err::<Response<Full<Bytes>>, _>(io::Error::other("broken")) }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), broken);
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        let client = exact_around(http_client());
        let error = client.oneshot(to(address, method.clone(), "hello")).await;
        assert!(
            error.unwrap_err().is::<legacy::Error>(),
            "the client's own error"
        );
        assert_eq!(asked.load(Ordering::Relaxed), attempts, "{method}");
    }
}

/// What comes back from a gRPC server that refuses the first calls with this status and pushback.
async fn call(
    refusals: usize,
    code: Code,
    pushback: Option<&'static str>,
) -> (Result<Bytes, Status>, usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let channel = grpc::channel(move |message| {
        if counter.fetch_add(1, Ordering::Relaxed) >= refusals {
            return Ok(tonic::Response::new(message));
        }
        let mut metadata = MetadataMap::new();
        if let Some(pushback) = pushback {
            metadata.insert("grpc-retry-pushback-ms", pushback.parse().unwrap());
        }
        Err(Status::with_metadata(code, "too much", metadata))
    });
    let channel = ServiceBuilder::new()
        .map_request(|request: Request<Body>| request.map(ReplayBody::new))
        .layer(exact())
        .map_request(|request: Request<ReplayBody<Body>>| request.map(Body::new))
        .service(channel.await);
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let (request, path) = (
        Bytes::from_static(b"hello"),
        PathAndQuery::from_static("/test.Echo/Echo"),
    );
    let reply = client
        .unary(tonic::Request::new(request), path, grpc::Plain)
        .await;
    (
        reply.map(tonic::Response::into_inner),
        calls.load(Ordering::Relaxed),
    )
}

#[tokio::test(start_paused = true)]
async fn a_grpc_call_that_was_turned_away_is_repeated_with_its_message() {
    for (code, pushback, wait) in [
        (Code::ResourceExhausted, None, 1000 + 2000),
        (Code::ResourceExhausted, Some("7000"), 2 * 7000),
        (Code::Unavailable, Some("7000"), 2 * 7000),
    ] {
        let start = Instant::now();
        let (reply, calls) = call(2, code, pushback).await;
        assert_eq!((reply.unwrap(), calls), (Bytes::from("hello"), 3));
        assert_eq!(start.elapsed(), ms(wait), "{code:?} {pushback:?}");
    }
}

/// gRPC A6.
#[tokio::test(start_paused = true)]
async fn a_grpc_call_is_not_repeated_when_the_pushback_is_negative_or_garbage() {
    for pushback in ["-1", "soon"] {
        for code in [Code::ResourceExhausted, Code::Unavailable] {
            let start = Instant::now();
            let (reply, calls) = call(1, code, Some(pushback)).await;
            assert_eq!((reply.unwrap_err().code(), calls), (code, 1));
            assert_eq!(start.elapsed(), Duration::ZERO);
        }
    }
}

/// Every gRPC call is a POST, so that the caller must say which may be carried out twice.
#[tokio::test(start_paused = true)]
async fn a_grpc_call_to_a_server_in_trouble_is_not_repeated_by_default() {
    let (reply, calls) = call(1, Code::Unavailable, None).await;
    assert_eq!((reply.unwrap_err().code(), calls), (Code::Unavailable, 1));
}

/// What OpenAI answers when the money is spent: more patience won't help.
const SPENT: &str = r#"{ "error": { "code": "insufficient_quota" } }"#;

/// Reads the body of a response, which a policy doesn't see.
async fn with_signals(
    response: Response<Full<Bytes>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mut head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    let (profile, now) = (Profile::generic(), SystemTime::UNIX_EPOCH);
    let signals = Signals::read(&head.headers, head.status, &profile, now);
    head.extensions.insert(signals.with_body(&body, &profile));
    Ok(Response::from_parts(head, Full::new(body)))
}

#[tokio::test(start_paused = true)]
async fn a_429_whose_body_says_that_the_money_is_spent_is_not_retried() {
    for (body, attempts) in [(SPENT, 1), ("{}", 4)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let server = tower::service_fn(move |_: Request<()>| {
            counter.fetch_add(1, Ordering::Relaxed);
            let response = Response::builder().status(429).body(Full::from(body));
            std::future::ready(Ok::<_, Infallible>(response.unwrap()))
        });
        let client = ServiceBuilder::new()
            .layer(exact())
            .and_then(with_signals)
            .service(server);
        let response = client.oneshot(Request::new(())).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), attempts);
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            body
        );
    }
}

/// `Attempts` come with a response that isn't retried any more, which says when to come back.
#[tokio::test(start_paused = true)]
async fn no_request_is_lost_without_a_word() {
    let (listener, address) = bind().await;
    serve(listener, vec![(429, &[("retry-after", "3600")])]).await;
    let client = exact_around(http_client());
    let response = client
        .oneshot(to(address, Method::POST, "hello"))
        .await
        .unwrap();
    let attempts = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(response.headers()["retry-after"], "3600");
    assert_eq!(attempts.given_up(), Some(GivenUp::TooLong));
}
