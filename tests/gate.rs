//! The gate over real HTTP and gRPC: when a server says wait, every client that shares it waits. Time
//! is virtual.

mod grpc;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, time::Instant};
use tonic::{
    Code, Status, body::Body, client::Grpc, codegen::http::uri::PathAndQuery, metadata::MetadataMap,
};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_throttle::{
    core::{Rejected, now},
    jitter::{Backoff, Jitter},
    retry_after::{ReplayBody, RetryAfterLayer, RetryLayer},
    token_bucket::{Rate, TokenBucket},
};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// When a server was asked.
type Asked = Arc<Mutex<Vec<Instant>>>;

/// A server that is down for maintenance when it is asked first, and names the date when it is back.
async fn serve() -> (SocketAddr, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let log = Arc::clone(&log);
            let service = service_fn(move |_: Request<Incoming>| {
                let mut log = log.lock().unwrap();
                log.push(Instant::now());
                let answer = if log.len() == 1 {
                    back_in_30_s()
                } else {
                    Response::default()
                };
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // That it breaks is the client's affair.
            tokio::spawn(async move { drop(connection.await) });
        }
    });
    (address, asked)
}

fn back_in_30_s() -> Response<Full<Bytes>> {
    Response::builder()
        .status(StatusCode::SERVICE_UNAVAILABLE)
        .header(header::DATE, "Fri, 29 Sep 2023 16:26:37 GMT")
        .header(header::RETRY_AFTER, "Fri, 29 Sep 2023 16:27:07 GMT")
        .body(Full::default())
        .unwrap()
}

fn http_client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn to(address: SocketAddr) -> Request<Full<Bytes>> {
    let request = Request::post(format!("http://{address}/"));
    request.body(Full::from("hello")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_names_a_date_is_left_alone_until_then_by_all_clients() {
    let (address, asked) = serve().await;
    let layer = RetryAfterLayer::new().seed(7);
    let clients = [
        layer.layer(http_client()),
        layer.clone().layer(http_client()),
    ];

    let first = clients[0].clone().oneshot(to(address)).await.unwrap();
    assert_eq!(first.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        first.headers()[header::RETRY_AFTER],
        "Fri, 29 Sep 2023 16:27:07 GMT"
    );

    let requests = (0..10).map(|n| clients[n % 2].clone().oneshot(to(address)));
    let mut answers = join_all(requests).await.into_iter().map(Result::unwrap);
    assert!(answers.all(|answer| answer.status() == StatusCode::OK));
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 11, "none is lost, and none is sent twice");
    // No bound from above: while a socket is waited for, a paused clock may jump.
    let told = asked[0] + secs(30);
    assert!(asked[1..].iter().all(|at| *at >= told), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_more_than_one_likes_is_left_alone_and_the_caller_is_told() {
    let (address, asked) = serve().await;
    let layer = RetryAfterLayer::new().max_spread(Duration::ZERO);
    let client = layer.cap(secs(29)).layer(http_client());
    client.clone().oneshot(to(address)).await.unwrap();
    let error = client.oneshot(to(address)).await.unwrap_err();
    let rejected = error.downcast_ref::<Rejected>().unwrap();
    assert_eq!(rejected.retry_after(), Some(secs(30)));
    assert_eq!(asked.lock().unwrap().len(), 1);
}

/// A gRPC server that refuses its first calls, with this code and a pushback of seven seconds.
async fn channel(refusals: usize, code: Code) -> (tonic::transport::Channel, Asked) {
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    let channel = grpc::channel(move |message| {
        let mut log = log.lock().unwrap();
        log.push(Instant::now());
        if log.len() > refusals {
            return Ok(tonic::Response::new(message));
        }
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-retry-pushback-ms", "7000".parse().unwrap());
        Err(Status::with_metadata(code, "too much", metadata))
    });
    (channel.await, asked)
}

async fn call<T>(client: &Grpc<T>) -> Result<Bytes, Status>
where
    T: tonic::client::GrpcService<Body> + Clone,
    T::Error: Into<tonic::codegen::StdError>,
    T::ResponseBody: tonic::codegen::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    let mut client = client.clone();
    assert!(client.ready().await.is_ok());
    let (path, message) = (
        PathAndQuery::from_static("/test.Echo/Echo"),
        Bytes::from("hello"),
    );
    let reply = client
        .unary(tonic::Request::new(message), path, grpc::Plain)
        .await;
    reply.map(tonic::Response::into_inner)
}

fn since(start: Instant, asked: &Asked) -> Vec<u64> {
    let asked = asked.lock().unwrap();
    asked.iter().map(|at| (*at - start).as_secs()).collect()
}

#[tokio::test(start_paused = true)]
async fn when_one_grpc_call_is_pushed_back_the_others_wait_and_none_is_lost() {
    let (channel, asked) = channel(1, Code::ResourceExhausted).await;
    let layer = RetryAfterLayer::new().max_spread(Duration::ZERO);
    let client = Grpc::new(layer.layer(channel));
    let start = Instant::now();
    assert_eq!(
        call(&client).await.unwrap_err().code(),
        Code::ResourceExhausted
    );
    let replies = join_all((0..10).map(|_| call(&client))).await;
    assert!(replies.into_iter().all(|reply| reply.unwrap() == "hello"));
    assert_eq!(since(start, &asked)[..], [&[0][..], &[7; 10]].concat());
}

/// The order that the documentation advises. What the server asks for is waited for once, not once by
/// the retry and once more by the gate; and the others wait with it.
#[tokio::test(start_paused = true)]
async fn under_a_retry_no_call_is_lost_and_the_pushback_is_obeyed_once() {
    let (channel, asked) = channel(2, Code::ResourceExhausted).await;
    let none = Backoff::new(secs(1)).jitter(Jitter::none());
    let retry = RetryLayer::new().throttled_backoff(none).spread(0.0);
    let bucket = TokenBucket::new(Rate::per_second(1), now());
    let gate = RetryAfterLayer::new()
        .max_spread(Duration::ZERO)
        .and(bucket);
    let channel = ServiceBuilder::new()
        .map_request(|request: Request<Body>| request.map(ReplayBody::new))
        .layer(retry)
        .layer(gate)
        .map_request(|request: Request<ReplayBody<Body>>| request.map(Body::new))
        .service(channel);
    let client = Grpc::new(channel);
    let start = Instant::now();
    let replies = join_all((0..4).map(|_| call(&client))).await;
    assert!(replies.into_iter().all(|reply| reply.unwrap() == "hello"));
    // Refused at 0, the gate is closed until 7; the next in line is refused as well, until 14. Then
    // the two that still waited, and the two that were refused, a second apart.
    assert_eq!(since(start, &asked), [0, 7, 14, 15, 16, 17]);
}

/// The first version called nine times in no time: the retry took it for throttled and left the wait to
/// the gate, and the gate had not heard of it.
#[tokio::test(start_paused = true)]
async fn around_a_gate_a_pushback_is_obeyed_once_with_whatever_code_it_comes() {
    for code in [Code::ResourceExhausted, Code::Unavailable] {
        let (channel, asked) = channel(2, code).await;
        let channel = ServiceBuilder::new()
            .map_request(|request: Request<Body>| request.map(ReplayBody::new))
            .layer(RetryLayer::around_adaptive().spread(0.0))
            .layer(RetryAfterLayer::new().max_spread(Duration::ZERO))
            .map_request(|request: Request<ReplayBody<Body>>| request.map(Body::new))
            .service(channel);
        let start = Instant::now();
        assert_eq!(call(&Grpc::new(channel)).await.unwrap(), "hello");
        assert_eq!(since(start, &asked), [0, 7, 14], "{code:?}");
    }
}
