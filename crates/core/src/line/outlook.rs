use std::time::{Duration, Instant};

use crate::{Cost, Limiter, Why};

/// What one who waits has to expect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlook {
    refusal: Option<Why>,
    /// When it is its turn, if that is known.
    at: Option<Instant>,
}

impl Outlook {
    pub(crate) fn of<L: Limiter>(
        limiter: &L,
        ahead: <L::Cost as Cost>::Sum,
        cost: &L::Cost,
        now: Instant,
    ) -> Self {
        let predicted = limiter.predict(ahead, cost, now);
        let wait = predicted.and(limiter.check(cost, now));
        match wait.refusal() {
            Some(why) => Self {
                refusal: Some(why),
                at: wait.at(),
            },
            None => Self {
                refusal: None,
                at: predicted.at(),
            },
        }
    }

    /// Why nobody is to wait at all.
    pub(crate) fn refusal(&self) -> Option<Why> {
        self.refusal
    }

    /// Why one who waits since `since` is not to wait any longer.
    pub(crate) fn objection(&self, since: Instant, max_wait: Option<Duration>) -> Option<Why> {
        let deadline = max_wait.and_then(|max| since.checked_add(max));
        let too_late = matches!((self.at, deadline), (Some(at), Some(deadline)) if at > deadline);
        self.refusal.or(too_late.then_some(Why::TooLong))
    }

    /// When it is worth asking again, if that is known.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    pub(crate) fn is_worse_than(&self, other: &Self) -> bool {
        (self.refusal.is_some(), self.at) > (other.refusal.is_some(), other.at)
    }
}
