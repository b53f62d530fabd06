//! What the adapters tell `tracing`: never under the lock, and formatted only if somebody listens.

use std::{sync::Arc, time::Instant};

use super::guarded::Guarded;
use crate::{Cost, Limiter, Rejected, Report};

/// What a limiter has to report, and its name.
pub(super) type News = (Report, Option<Arc<str>>);

#[inline]
pub(super) fn tell(news: Option<News>) {
    if let Some((report, name)) = news {
        report(name.as_deref());
    }
}

/// Tells that a request stands in line, behind others that cost `ahead`.
pub(super) fn pacing<L: Limiter>(
    state: &Guarded<L>,
    ahead: <L::Cost as Cost>::Sum,
    cost: L::Cost,
    now: Instant,
) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let state = state.lock();
    let at = state.limiter.predict(ahead, &cost, now).at();
    let (name, waiting) = (state.name.clone(), state.line.len());
    drop(state);
    let wait = at.map(|at| at.saturating_duration_since(now));
    tracing::debug!(name = name.as_deref(), wait = ?wait, waiting, "rate_pacing_active");
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
