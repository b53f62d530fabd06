use std::{
    task::{Context, Poll},
    time::Instant,
};

use super::{Admission, Shared};
use crate::{
    Limiter, Rejected, clock,
    line::{Ask, Fetched, Key, Patience},
};

/// One request's way to a permit: outside, in line, holding it. Gives back what it has when dropped.
#[derive(Debug)]
pub(crate) struct Turn<L: Limiter> {
    shared: Shared<L>,
    ask: Ask<L::Cost>,
    stage: Stage<L::Permit>,
}

#[derive(Debug)]
enum Stage<P> {
    Outside,
    InLine {
        key: Key,
        joined: Instant,
    },
    Holding {
        permit: P,
        since: Instant,
        joined: Instant,
    },
}

impl<L: Limiter> Turn<L> {
    pub(crate) fn new(shared: Shared<L>, cost: L::Cost, patience: Patience) -> Self {
        Self {
            shared,
            ask: Ask { cost, patience },
            stage: Stage::Outside,
        }
    }

    /// One who stands in line already.
    pub(crate) fn in_line(shared: Shared<L>, ask: Ask<L::Cost>, key: Key, joined: Instant) -> Self {
        Self {
            shared,
            ask,
            stage: Stage::InLine { key, joined },
        }
    }

    pub(crate) fn shared(&self) -> &Shared<L> {
        &self.shared
    }

    /// Ready once it holds a permit; it still does when polled again.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        match self.stage {
            Stage::Outside => self.enter(cx),
            Stage::InLine { key, joined } => self.fetch(key, joined, cx),
            Stage::Holding { .. } => Poll::Ready(Ok(())),
        }
    }

    /// Takes the permit out, to be sent. `None` if it holds none.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<L::Permit> {
        match std::mem::replace(&mut self.stage, Stage::Outside) {
            Stage::Holding { permit, .. } => Some(permit),
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// Can't use the permit yet: lays it where it can be taken back when its shelf life is over.
    pub(crate) fn shelve(&mut self) {
        if let Stage::Holding {
            permit,
            since,
            joined,
        } = std::mem::replace(&mut self.stage, Stage::Outside)
        {
            let key = self.shared.shelve(permit, self.ask.cost, since);
            self.stage = Stage::InLine { key, joined };
        }
    }

    /// Gives back whatever it has.
    pub(crate) fn leave(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Outside) {
            Stage::Outside => {}
            Stage::InLine { key, .. } => self.shared.leave(key),
            Stage::Holding { permit, .. } => self.shared.cancel(permit),
        }
    }

    #[inline]
    fn enter(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        let now = clock::now();
        match self.shared.pass(self.ask.cost, now) {
            Some(permit) => self.hold(permit, now),
            None => self.enter_locked(now, cx),
        }
    }

    #[inline]
    fn hold(&mut self, permit: L::Permit, now: Instant) -> Poll<Result<(), Rejected>> {
        self.stage = Stage::Holding {
            permit,
            since: now,
            joined: now,
        };
        Poll::Ready(Ok(()))
    }

    fn enter_locked(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<Result<(), Rejected>> {
        match self.shared.admit(self.ask, now, Some(cx.waker())) {
            Admission::Granted(permit) => self.hold(permit, now),
            Admission::Joined { key, ears } => {
                self.stage = Stage::InLine { key, joined: now };
                // In line already, so that it leaves the line if this panics.
                self.shared.hear(ears);
                Poll::Pending
            }
            Admission::Refused(rejected) => Poll::Ready(Err(rejected)),
        }
    }

    fn fetch(
        &mut self,
        key: Key,
        joined: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Rejected>> {
        match self.shared.fetch(key, self.ask, joined, cx.waker()) {
            Fetched::Waiting { replaced } => {
                drop(replaced);
                Poll::Pending
            }
            Fetched::Lapsed => Poll::Pending,
            Fetched::Granted { permit, since } => {
                self.stage = Stage::Holding {
                    permit,
                    since,
                    joined,
                };
                Poll::Ready(Ok(()))
            }
            Fetched::Refused(why) => {
                self.stage = Stage::Outside;
                Poll::Ready(Err(self.shared.rejected(why, &self.ask.cost, joined)))
            }
        }
    }
}

impl<L: Limiter> Drop for Turn<L> {
    fn drop(&mut self) {
        self.leave();
    }
}
