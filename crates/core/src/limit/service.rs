use std::task::{Context, Poll};

use tower_service::Service;

use super::future::ResponseFuture;
use crate::{
    OnReject, Select, Selection, clock,
    line::{Ask, Patience},
    shared::{Admission, Turn},
    track::Track,
};

/// A service whose requests wait in their response futures. See [`LimitLayer`](crate::LimitLayer).
///
/// # Readiness
///
/// `poll_ready` asks the inner service and nothing else. A request that is admitted at once is sent
/// by the very service that was ready. One that must wait takes a clone of the inner service with
/// it, which is made ready when the permit is there; and the readied one is dropped, since what it
/// may have reserved (a slot of a `ConcurrencyLimit`, a place in a `Buffer`) would stay reserved by
/// nobody. Hence `S: Clone`.
///
/// # Cancel safety
///
/// Dropping a response future before the request was sent leaves the line and gives back the permit.
/// Dropping it afterwards ends the call without feedback.
///
/// # Cost
///
/// A request that need not wait costs one look at the clock and one lock, or one atomic operation if
/// the limiter has a [`Pace`](crate::Pace) or [`Room`](crate::Room), and allocates nothing. If the
/// limiter is told of the end of calls, that costs one look and one lock more.
#[derive(Debug, Clone)]
pub struct Limit<S, P, T, R> {
    inner: S,
    select: P,
    track: T,
    on_reject: R,
}

impl<S, P, T, R> Limit<S, P, T, R> {
    pub(super) const fn new(inner: S, select: P, track: T, on_reject: R) -> Self {
        Self {
            inner,
            select,
            track,
            on_reject,
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

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P, T, R, Req> Service<Req> for Limit<S, P, T, R>
where
    S: Service<Req> + Clone,
    P: Select<Req>,
    T: Track<P::Limiter, S::Future, Error = S::Error> + Clone,
    R: OnReject<T::Response, S::Error> + Clone,
{
    type Response = T::Response;
    type Error = R::Error;
    type Future = ResponseFuture<S, Req, P::Limiter, T, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), R::Error>> {
        let ready = self.inner.poll_ready(cx);
        ready.map_err(|error| self.on_reject.error(error))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let on_reject = self.on_reject.clone();
        let (shared, cost) = match self.select.select(&request) {
            Selection::Limit(shared, cost) => (shared, cost),
            Selection::Pass => {
                let call = self.inner.call(request);
                return ResponseFuture::calling(self.track.track(None, call), on_reject);
            }
        };
        let now = clock::now();
        let ask = Ask {
            cost,
            patience: Patience::Limited,
        };
        let admission = match shared.pass(cost, now) {
            Some(permit) => Admission::Granted(permit),
            None => shared.admit(ask, now, None),
        };
        match admission {
            Admission::Granted(permit) => {
                let guard = self.track.begin(&shared, permit);
                let call = self.inner.call(request);
                ResponseFuture::calling(self.track.track(Some(guard), call), on_reject)
            }
            Admission::Joined { key, .. } => {
                let turn = Turn::in_line(shared.into_owned(), ask, key, now);
                let inner = release(&mut self.inner);
                ResponseFuture::waiting(turn, inner, request, self.track.clone(), on_reject)
            }
            Admission::Refused(rejected) => {
                drop(shared);
                release(&mut self.inner);
                ResponseFuture::refused(rejected, on_reject)
            }
        }
    }
}

/// Drops a readied service, and with it whatever it reserved; returns a fresh one for later.
///
/// `tower` has no other way to say that a reservation is not going to be used.
#[cold]
fn release<S: Clone>(readied: &mut S) -> S {
    let fresh = readied.clone();
    *readied = fresh.clone();
    fresh
}
