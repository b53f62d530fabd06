//! What the adapters tell `tracing`: never under the lock, and formatted only if somebody listens.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::State;
use crate::{Limiter, Rejected, Report};

/// What a limiter has to report, and its name.
pub(super) type News = (Report, Option<Arc<str>>);

pub(super) fn tell(news: Option<News>) {
    if let Some((report, name)) = news {
        report(name.as_deref());
    }
}

/// A request that stands in line, for one who listens.
pub(super) struct Pacing {
    name: Option<Arc<str>>,
    wait: Option<Duration>,
    waiting: usize,
}

impl Pacing {
    /// `None` if nobody listens.
    pub(super) fn of<L: Limiter>(state: &State<L>, cost: &L::Cost, now: Instant) -> Option<Self> {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return None;
        }
        let at = state.outlook(cost, now).at();
        let wait = at.map(|at| at.saturating_duration_since(now));
        Some(Self {
            name: state.name.clone(),
            wait,
            waiting: state.line.len(),
        })
    }
}

pub(super) fn pacing(pacing: Option<Pacing>) {
    if let Some(Pacing {
        name,
        wait,
        waiting,
    }) = pacing
    {
        let name = name.as_deref();
        tracing::debug!(name, wait = ?wait, waiting, "rate_pacing_active");
    }
}

pub(super) fn rejected(rejected: &Rejected) {
    tracing::debug!(
        name = rejected.name(),
        why = ?rejected.why(),
        retry_after = ?rejected.retry_after(),
        waited = ?rejected.waited(),
        "rejected"
    );
}
