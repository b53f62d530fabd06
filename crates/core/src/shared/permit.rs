use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{Shared, Turn};
use crate::{Limiter, Rejected, line::Patience};

/// A permit in hand. Dropped unused, it goes back.
#[must_use = "a permit that is dropped unused goes back; call `spend` when the request is sent"]
pub struct Permit<L: Limiter> {
    held: Option<Held<L>>,
}

struct Held<L: Limiter> {
    shared: Shared<L>,
    permit: L::Permit,
}

impl<L: Limiter> Permit<L> {
    pub(super) fn new(shared: Shared<L>, permit: L::Permit) -> Self {
        Self {
            held: Some(Held { shared, permit }),
        }
    }

    /// Uses the permit: the request is on its way.
    ///
    /// Tokens are gone with that. A limiter of requests in flight counts this one until the
    /// returned guard is completed or dropped.
    pub fn spend(mut self) -> InFlight<L> {
        InFlight {
            held: self.held.take(),
        }
    }
}

impl<L: Limiter> Drop for Permit<L> {
    fn drop(&mut self) {
        if let Some(Held { shared, permit }) = self.held.take() {
            shared.cancel(permit);
        }
    }
}

/// A request in flight. Dropped before it is completed, it ends without feedback.
pub struct InFlight<L: Limiter> {
    held: Option<Held<L>>,
}

impl<L: Limiter> InFlight<L> {
    #[inline]
    pub(crate) fn new(shared: Shared<L>, permit: L::Permit) -> Self {
        Self {
            held: Some(Held { shared, permit }),
        }
    }

    /// Ends the request and says what is learnt from it.
    #[inline]
    pub fn complete(mut self, feedback: L::Feedback) {
        self.end(Some(feedback));
    }

    #[inline]
    fn end(&mut self, feedback: Option<L::Feedback>) {
        if let Some(Held { shared, permit }) = self.held.take().filter(|_| L::COMPLETES) {
            shared.complete(permit, feedback);
        }
    }
}

impl<L: Limiter> Drop for InFlight<L> {
    #[inline]
    fn drop(&mut self) {
        self.end(None);
    }
}

/// The future of [`Shared::acquire`].
#[must_use = "futures do nothing unless polled"]
pub struct Acquire<L: Limiter> {
    turn: Turn<L>,
}

impl<L: Limiter> Acquire<L> {
    pub(super) fn new(shared: Shared<L>, cost: L::Cost) -> Self {
        Self {
            turn: Turn::new(shared, cost, Patience::Limited),
        }
    }
}

/// Nothing in it is ever pinned.
impl<L: Limiter> Unpin for Acquire<L> {}

impl<L: Limiter> Future for Acquire<L> {
    type Output = Result<Permit<L>, Rejected>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        std::task::ready!(self.turn.poll(cx))?;
        let shared = self.turn.shared().clone();
        match self.turn.take() {
            Some(permit) => Poll::Ready(Ok(Permit::new(shared, permit))),
            None => Poll::Pending,
        }
    }
}

impl<L: Limiter> fmt::Debug for Permit<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_held("Permit", &self.held, f)
    }
}

impl<L: Limiter> fmt::Debug for InFlight<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_held("InFlight", &self.held, f)
    }
}

impl<L: Limiter> fmt::Debug for Acquire<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").finish_non_exhaustive()
    }
}

fn fmt_held<L: Limiter>(
    name: &str,
    held: &Option<Held<L>>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let permit = held.as_ref().map(|held| &held.permit);
    f.debug_tuple(name).field(&permit).finish()
}
