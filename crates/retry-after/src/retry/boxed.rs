use std::task::{Context, Poll};

use tower::util::{MapErr, future::MapErrFuture};
use tower_service::Service;
use tower_throttle_core::BoxError;

/// Boxes the errors of a service.
///
/// So that the policy can look into errors of any type: a boxed error is one, and has no other.
#[derive(Debug, Clone)]
pub struct Boxed<S>(S);

impl<S> Boxed<S> {
    pub(super) const fn new(inner: S) -> Self {
        Self(inner)
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.0
    }

    /// The inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.0
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.0
    }
}

impl<S, Req> Service<Req> for Boxed<S>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = MapErrFuture<S::Future, fn(S::Error) -> BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let into: fn(S::Error) -> BoxError = Into::into;
        MapErr::new(&mut self.0, into).call(request)
    }
}
