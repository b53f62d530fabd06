use std::task::{Context, Poll, ready};

use tower_service::Service;

use crate::{
    Cost, Limiter, Shared,
    line::Patience,
    shared::Turn,
    track::{Track, Untracked},
};

/// A service that waits in `poll_ready`. See [`BackpressureLayer`](crate::BackpressureLayer).
///
/// # Readiness
///
/// `poll_ready` gets the permit first, then makes the inner service ready: the other way round it
/// would hold a slot of the inner service while it waits. A service that said it was ready holds its
/// permit until it is called or dropped; while the inner service is not ready, the permit is lent to
/// others after [`SHELF_LIFE`](crate::SHELF_LIFE). A clone starts without a permit and without a
/// place in line.
///
/// # Panics
///
/// `call` panics if `poll_ready` did not say before that the service is ready.
#[derive(Debug)]
pub struct Backpressure<S, L: Limiter, T = Untracked> {
    // Dropped first: the permit goes back before the inner service is dropped.
    turn: Turn<L>,
    track: T,
    inner: S,
}

impl<S, L: Limiter, T> Backpressure<S, L, T> {
    pub(super) fn new(inner: S, shared: Shared<L>, track: T) -> Self {
        Self {
            turn: Turn::new(shared, L::Cost::ONE, Patience::Endless),
            track,
            inner,
        }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service. A permit or a place in line is given up.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, L, T, Req> Service<Req> for Backpressure<S, L, T>
where
    S: Service<Req>,
    L: Limiter,
    T: Track<L, S::Future, Error = S::Error>,
{
    type Response = T::Response;
    type Error = S::Error;
    type Future = T::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // Endless patience is never refused.
        let _ = ready!(self.turn.poll(cx));
        let ready = self.inner.poll_ready(cx);
        match ready {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => self.turn.leave(),
            Poll::Pending => self.turn.shelve(),
        }
        ready
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let permit = self
            .turn
            .take()
            .expect("the service must be polled ready before it is called");
        let guard = self.track.begin(self.turn.shared(), permit);
        let call = self.inner.call(request);
        self.track.track(Some(guard), call)
    }
}

impl<S: Clone, L: Limiter, T: Clone> Clone for Backpressure<S, L, T> {
    fn clone(&self) -> Self {
        Self::new(
            self.inner.clone(),
            self.turn.shared().clone(),
            self.track.clone(),
        )
    }
}
