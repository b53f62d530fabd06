//! Future types.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{Limiter, OnReject, Rejected, shared::Turn, track::Track};

pin_project! {
    /// The response future of [`Limit`](crate::Limit).
    pub struct ResponseFuture<S, Req, L, T, R>
    where
        S: Service<Req>,
        L: Limiter,
        T: Track<L, S::Future>,
    {
        #[pin]
        state: State<S, Req, L, T, T::Future>,
        on_reject: R,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req, L: Limiter, T, F> {
        Waiting {
            // The permit goes back before the inner service and the request are dropped.
            turn: Turn<L>,
            inner: S,
            request: Option<Req>,
            track: T,
        },
        Calling { #[pin] call: F },
        Over { rejected: Option<Rejected> },
    }
}

impl<S, Req, L, T, R> ResponseFuture<S, Req, L, T, R>
where
    S: Service<Req>,
    L: Limiter,
    T: Track<L, S::Future>,
{
    pub(super) fn waiting(turn: Turn<L>, inner: S, request: Req, track: T, on_reject: R) -> Self {
        let request = Some(request);
        Self {
            state: State::Waiting {
                turn,
                inner,
                request,
                track,
            },
            on_reject,
        }
    }

    #[inline]
    pub(super) fn calling(call: T::Future, on_reject: R) -> Self {
        Self {
            state: State::Calling { call },
            on_reject,
        }
    }

    pub(super) fn refused(rejected: Rejected, on_reject: R) -> Self {
        Self {
            state: State::Over {
                rejected: Some(rejected),
            },
            on_reject,
        }
    }
}

impl<S, Req, L, T, R> Future for ResponseFuture<S, Req, L, T, R>
where
    S: Service<Req>,
    L: Limiter,
    T: Track<L, S::Future, Error = S::Error>,
    R: OnReject<T::Response, S::Error>,
{
    type Output = Result<T::Response, R::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Calling { call } => {
                    let result = ready!(call.poll(cx));
                    return Poll::Ready(result.map_err(|error| this.on_reject.error(error)));
                }
                StateProj::Waiting {
                    turn,
                    inner,
                    request,
                    track,
                } => match ready!(poll_permit(turn, inner, cx)) {
                    Ok(()) => send(turn, inner, request, track),
                    Err(Stopped::Inner(error)) => {
                        this.state.set(State::Over { rejected: None });
                        return Poll::Ready(Err(this.on_reject.error(error)));
                    }
                    Err(Stopped::Rejected(rejected)) => State::Over {
                        rejected: Some(rejected),
                    },
                },
                StateProj::Over { rejected } => {
                    let rejected = rejected.take().expect("polled after it was ready");
                    return Poll::Ready(this.on_reject.reject(rejected));
                }
            };
            this.state.set(next);
        }
    }
}

/// Why a request that waited is not sent.
enum Stopped<E> {
    Rejected(Rejected),
    Inner(E),
}

/// First the permit, then the inner service: the other way round its slot would be held for the
/// whole wait.
fn poll_permit<L: Limiter, S: Service<Req>, Req>(
    turn: &mut Turn<L>,
    inner: &mut S,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Stopped<S::Error>>> {
    ready!(turn.poll(cx)).map_err(Stopped::Rejected)?;
    match inner.poll_ready(cx) {
        Poll::Ready(ready) => Poll::Ready(ready.map_err(Stopped::Inner)),
        Poll::Pending => {
            turn.shelve();
            Poll::Pending
        }
    }
}

fn send<S, Req, L, T>(
    turn: &mut Turn<L>,
    inner: &mut S,
    request: &mut Option<Req>,
    track: &T,
) -> State<S, Req, L, T, T::Future>
where
    S: Service<Req>,
    L: Limiter,
    T: Track<L, S::Future>,
{
    // If the request is gone, because its call panicked, the turn keeps its permit and gives it back.
    let sent = request
        .take()
        .and_then(|request| turn.take().zip(Some(request)));
    let Some((permit, request)) = sent else {
        return State::Over { rejected: None };
    };
    let guard = track.begin(turn.shared(), permit);
    let call = inner.call(request);
    State::Calling {
        call: track.track(Some(guard), call),
    }
}

impl<S, Req, L, T, R> fmt::Debug for ResponseFuture<S, Req, L, T, R>
where
    S: Service<Req>,
    L: Limiter,
    T: Track<L, S::Future>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Waiting { .. } => "waiting",
            State::Calling { .. } => "calling",
            State::Over { .. } => "over",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
