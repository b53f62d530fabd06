use std::{
    mem,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Instant,
};

use tower_service::Service;

use crate::{future::ResponseFuture, generator::lock, spread::Spread, turn::Turn};

/// The service of a [`JitterLayer`](crate::JitterLayer); named after what it does, as [`Jitter`](crate::Jitter) is the shape.
///
/// # Readiness
///
/// It is ready when the inner service is. A request that isn't delayed is sent through that very readied service.
/// One that is leaves it: the readied service is dropped, so that it doesn't hold a slot of, say, a concurrency
/// limit for the length of the delay, and a clone is made ready afterwards, within the response future.
///
/// # Cancel safety
///
/// A response future dropped during its delay sends nothing and holds nothing of the inner service. To
/// [`after_idle`](crate::JitterLayer::after_idle) it is as if its request had never come.
///
/// # Cost
///
/// A lock and a clock read per call; a delayed one also clones the inner service twice, arms a timer and takes
/// the lock once more. Nothing is boxed, and the error type is the inner service's.
#[derive(Clone, Debug)]
pub struct Jittered<S> {
    inner: S,
    spread: Arc<Mutex<Spread>>,
}

impl<S> Jittered<S> {
    pub(crate) fn new(inner: S, spread: Arc<Mutex<Spread>>) -> Self {
        Self { inner, spread }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Req> Service<Req> for Jittered<S>
where
    S: Service<Req> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Req>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let now = now();
        let leave = lock(&self.spread).leave_at(now);
        if leave <= now {
            return ResponseFuture::called(self.inner.call(request));
        }
        let turn = Turn::new(&self.spread, leave);
        let unready = self.inner.clone();
        // Two clones, since what was made ready must go: kept here it would hold its slot, and the delayed
        // request could wait for that slot for ever (`ConcurrencyLimit(1)`, `Buffer(1)`).
        drop(mem::replace(&mut self.inner, unready.clone()));
        ResponseFuture::delayed(leave, request, unready, turn)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate that reads the clock"
)]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
