//! Stands in for the token bucket until its crate has one.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_core_box::BoxFuture;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service, ServiceExt};

mod futures_core_box {
    pub(crate) type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;
}

pub(crate) struct Rate(Duration);

impl Rate {
    pub(crate) fn per(n: u32, time: Duration) -> Self {
        Self(time / n)
    }
}

pub(crate) struct TokenBucketLayer(Rate);

impl TokenBucketLayer {
    pub(crate) fn new(rate: Rate) -> Self {
        Self(rate)
    }

    pub(crate) fn burst(self, _one: u32) -> Self {
        self
    }
}

impl<S> Layer<S> for TokenBucketLayer {
    type Service = TokenBucket<S>;

    fn layer(&self, inner: S) -> TokenBucket<S> {
        TokenBucket {
            inner,
            next: Arc::new(Mutex::new(Instant::now())),
            every: self.0.0,
        }
    }
}

#[derive(Clone)]
pub(crate) struct TokenBucket<S> {
    inner: S,
    next: Arc<Mutex<Instant>>,
    every: Duration,
}

impl<S, R> Service<R> for TokenBucket<S>
where
    S: Service<R, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(Instant::now());
            *next = at + self.every;
            at
        };
        let inner = self.inner.clone();
        Box::pin(async move {
            tokio::time::sleep_until(at).await;
            inner.oneshot(request).await
        })
    }
}
