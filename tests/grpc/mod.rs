//! A gRPC service without generated code: it answers bytes with the same bytes, over a pipe in
//! memory, so that virtual time drives it.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use hyper_util::rt::TokioIo;
use tokio_stream::once;
use tonic::{
    Request, Response, Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{BoxFuture, Bytes, http},
    server::{Grpc, NamedService, UnaryService},
    transport::{Channel, Endpoint, Server},
};
use tower::{Service, service_fn};

pub(crate) type Reply = Result<Response<Bytes>, Status>;

/// A channel to a server that answers with `handler`.
pub(crate) async fn channel<H>(handler: H) -> Channel
where
    H: Fn(Bytes) -> Reply + Clone + Send + Sync + 'static,
{
    let (client, server) = tokio::io::duplex(64 * 1024);
    let incoming = once(Ok::<_, std::io::Error>(server));
    let service = Handler(handler);
    tokio::spawn(async move {
        Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming)
            .await
    });
    let mut client = Some(client);
    let connector = service_fn(move |_| {
        let client = client.take().map(TokioIo::new);
        async move { client.ok_or_else(|| std::io::Error::other("connects once")) }
    });
    let endpoint = Endpoint::from_static("http://pipe");
    endpoint.connect_with_connector(connector).await.unwrap()
}

#[derive(Clone)]
struct Handler<H>(H);

impl<H> NamedService for Handler<H> {
    const NAME: &'static str = "test.Echo";
}

impl<H> Service<http::Request<Body>> for Handler<H>
where
    H: Fn(Bytes) -> Reply + Clone + Send + Sync + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let unary = Unary(self.0.clone());
        Box::pin(async move { Ok(Grpc::new(Plain).unary(unary, request).await) })
    }
}

struct Unary<H>(H);

impl<H: Fn(Bytes) -> Reply> UnaryService<Bytes> for Unary<H> {
    type Response = Bytes;
    type Future = std::future::Ready<Reply>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        std::future::ready((self.0)(request.into_inner()))
    }
}

/// Messages are bytes, as they are.
#[derive(Clone, Copy, Default)]
pub(crate) struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put(to, item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let len = bytes::Buf::remaining(from);
        Ok(Some(bytes::Buf::copy_to_bytes(from, len)))
    }
}
