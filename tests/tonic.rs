//! A layer around a tonic channel paces its calls.

mod grpc;

use std::time::Duration;

use tokio::time::Instant;
use tonic::{
    Request, Response,
    client::{Grpc, GrpcService},
    codegen::{Bytes, StdError, http::uri::PathAndQuery},
};
use tower::Layer;
use tower_throttle::token_bucket::{Rate, TokenBucketLayer};

async fn echo<T>(client: &mut Grpc<T>)
where
    T: GrpcService<tonic::body::Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: tonic::codegen::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as tonic::codegen::Body>::Error: Into<StdError> + Send,
{
    client.ready().await.map_err(Into::into).unwrap();
    let path = PathAndQuery::from_static("/test.Echo/Echo");
    let request = Request::new(Bytes::from_static(b"hello"));
    let response = client.unary(request, path, grpc::Plain).await.unwrap();
    assert_eq!(response.into_inner(), "hello");
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_paced() {
    let layer = TokenBucketLayer::new(Rate::per_second(10)).burst(2);
    let channel = grpc::channel(|message| Ok(Response::new(message))).await;
    let client = Grpc::new(layer.layer(channel));
    let start = Instant::now();
    let calls = (0..5).map(|_| {
        let mut client = client.clone();
        async move {
            echo(&mut client).await;
            start.elapsed().as_millis()
        }
    });
    let done = futures_util::future::join_all(calls).await;
    assert_eq!(done, [0, 0, 100, 200, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_paced_with_backpressure() {
    let layer = TokenBucketLayer::new(Rate::per_second(10)).backpressure();
    let channel = grpc::channel(|message| Ok(Response::new(message))).await;
    let mut client = Grpc::new(layer.layer(channel));
    let start = Instant::now();
    for _ in 0..3 {
        echo(&mut client).await;
    }
    assert_eq!(start.elapsed(), Duration::from_millis(200));
}
