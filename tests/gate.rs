//! The gate over real HTTP and gRPC: when one is told to wait, everybody does. Time is virtual.

mod grpc;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, time::Instant};
use tonic::{
    Code, Status, body::Body, client::Grpc, codegen::http::uri::PathAndQuery, metadata::MetadataMap,
};
use tower::{Layer, ServiceExt};
use tower_throttle::{Rejected, retry_after::RetryAfterLayer};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const DATE_AND_30_S: &str = "Sun, 06 Nov 1994 08:50:07 GMT";
const DATE_AND_AN_HOUR: &str = "Sun, 06 Nov 1994 09:49:37 GMT";

/// Turns the first request away until `retry_after`, by a clock that is decades behind.
async fn serve(retry_after: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let requests = Arc::clone(&requests);
            let service = service_fn(move |_: Request<Incoming>| {
                let first = requests.fetch_add(1, Ordering::SeqCst) == 0;
                async move { Ok::<_, Infallible>(answer(first, retry_after)) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move { drop(connection.await) });
        }
    });
    format!("http://{address}/")
}

fn answer(first: bool, retry_after: &'static str) -> Response<Full<Bytes>> {
    let response = Response::builder().header("date", DATE);
    let response = match first {
        true => response.status(503).header("retry-after", retry_after),
        false => response.status(200),
    };
    response.body(Full::default()).unwrap()
}

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_503_with_a_date_holds_everybody_back_and_nobody_is_lost() {
    let uri = serve(DATE_AND_30_S).await;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let service = RetryAfterLayer::new().layer(client);
    let start = Instant::now();
    let refused = service.clone().oneshot(get(&uri)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    // No upper bound: while nothing but a socket is waited for, the paused clock may jump.
    let requests = (0..20).map(|_| service.clone().oneshot(get(&uri)));
    for response in futures_util::future::join_all(requests).await {
        assert_eq!(response.unwrap().status(), StatusCode::OK);
        assert!(
            start.elapsed() >= Duration::from_secs(30),
            "before the server's word"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_too_long_is_said_to_whoever_asks() {
    let uri = serve(DATE_AND_AN_HOUR).await;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let service = RetryAfterLayer::new().layer(client);
    service.clone().oneshot(get(&uri)).await.unwrap();
    let start = Instant::now();
    let error = service.clone().oneshot(get(&uri)).await.unwrap_err();
    let rejected = error.downcast_ref::<Rejected>().unwrap();
    assert!(
        rejected.retry_after() >= Some(Duration::from_secs(3599)),
        "{rejected}"
    );
    assert_eq!(start.elapsed(), Duration::ZERO);
}

async fn echo<S>(client: &mut Grpc<S>) -> Result<Bytes, Status>
where
    S: tonic::client::GrpcService<Body>,
    S::Error: Into<tonic::codegen::StdError>,
    S::ResponseBody: tonic::codegen::Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    client.ready().await.map_err(Into::into).unwrap();
    let path = PathAndQuery::from_static("/test.Echo/Echo");
    let request = tonic::Request::new(Bytes::from_static(b"hello"));
    let response = client.unary(request, path, grpc::Plain).await?;
    Ok(response.into_inner())
}

#[tokio::test(start_paused = true)]
async fn a_grpc_pushback_holds_everybody_back_and_nobody_is_lost() {
    let calls = Arc::new(AtomicUsize::new(0));
    let channel = grpc::channel(move |message| {
        if calls.fetch_add(1, Ordering::SeqCst) > 0 {
            return Ok(tonic::Response::new(message));
        }
        let mut pushback = MetadataMap::new();
        pushback.insert("grpc-retry-pushback-ms", "4000".parse().unwrap());
        Err(Status::with_metadata(
            Code::ResourceExhausted,
            "slow down",
            pushback,
        ))
    })
    .await;
    let mut client = Grpc::new(RetryAfterLayer::new().layer(channel));
    let mut other = client.clone();
    let start = Instant::now();
    let refused = echo(&mut client).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(echo(&mut other).await.unwrap(), "hello");
    assert!(start.elapsed() >= Duration::from_secs(4));
    assert!(
        start.elapsed() <= Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}
