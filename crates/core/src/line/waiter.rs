//! One who waits.

use std::{task::Waker, time::Instant};

use crate::{Limiter, Why};

#[derive(Debug)]
pub(super) struct Waiter<L: Limiter> {
    pub(super) waker: Option<Waker>,
    /// Since when it is in this phase; while it waits: since when it stands in line.
    pub(super) since: Instant,
    pub(super) phase: Phase<L>,
}

#[derive(Debug)]
pub(super) enum Phase<L: Limiter> {
    Waiting(Ask<L::Cost>),
    Granted(Grant<L>),
    /// A grant was not fetched in time.
    Lapsed,
    Refused(Why),
}

#[derive(Debug)]
pub(super) struct Grant<L: Limiter> {
    pub(super) permit: L::Permit,
    pub(super) cost: L::Cost,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<C> {
    pub(crate) cost: C,
    pub(crate) patience: Patience,
}

impl<C> Ask<C> {
    pub(super) fn is_limited(&self) -> bool {
        self.patience == Patience::Limited
    }
}

/// Whether the limits on waiting apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It can be refused.
    Limited,
    /// It waits for as long as it takes: a service that is being polled ready can't be told no.
    Endless,
}

/// What one who comes to fetch a grant finds.
#[derive(Debug)]
pub(crate) enum Fetched<P> {
    /// The waker that was there before is handed out: dropped under a lock, it might come back.
    Waiting {
        replaced: Option<Waker>,
    },
    Granted {
        permit: P,
        since: Instant,
    },
    Lapsed,
    Refused(Why),
}
