//! The future of [`Jittered`](crate::Jittered).

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower_service::Service;

use crate::turn::Turn;

pin_project! {
    /// Waits out the delay, makes the service ready, and sends the request.
    pub struct ResponseFuture<S: Service<Req>, Req> {
        #[pin]
        state: State<S, Req, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req, F> {
        // A timer belongs to a runtime: it is made on the first poll, which happens on one, unlike `call`.
        Delayed { leave: Instant, #[pin] timer: Option<Sleep>, waiting: Option<(S, Req, Turn)> },
        Called { #[pin] future: F },
    }
}

impl<S: Service<Req>, Req> ResponseFuture<S, Req> {
    pub(crate) fn called(future: S::Future) -> Self {
        Self {
            state: State::Called { future },
        }
    }

    pub(crate) fn delayed(leave: Instant, request: Req, service: S, turn: Turn) -> Self {
        Self {
            state: State::Delayed {
                leave,
                timer: None,
                waiting: Some((service, request, turn)),
            },
        }
    }
}

impl<S: Service<Req>, Req> Future for ResponseFuture<S, Req> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Delayed {
                    leave,
                    mut timer,
                    waiting,
                } => {
                    ready!(poll_until(*leave, &mut timer, cx));
                    let called = ready!(poll_call(waiting, cx))?;
                    state.set(State::Called { future: called });
                }
                StateProj::Called { future } => return future.poll(cx),
            }
        }
    }
}

fn poll_until(
    leave: Instant,
    timer: &mut Pin<&mut Option<Sleep>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if timer.is_none() {
        timer.set(Some(sleep_until(leave.into())));
    }
    match timer.as_mut().as_pin_mut() {
        Some(sleep) if !sleep.is_elapsed() => sleep.poll(cx),
        _ => Poll::Ready(()),
    }
}

fn poll_call<S: Service<Req>, Req>(
    waiting: &mut Option<(S, Req, Turn)>,
    cx: &mut Context<'_>,
) -> Poll<Result<S::Future, S::Error>> {
    if let Some((service, ..)) = waiting {
        ready!(service.poll_ready(cx))?;
    }
    let (mut service, request, turn) = waiting
        .take()
        .expect("polled after the inner service panicked");
    turn.leave();
    Poll::Ready(Ok(service.call(request)))
}

impl<S: Service<Req>, Req> fmt::Debug for ResponseFuture<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
