use tower_throttle_core::Report;

use crate::Cause;

/// How the limit was changed, if it was not told yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct News(Option<Changed>);

#[derive(Debug, Clone, Copy)]
struct Changed {
    old: f64,
    new: f64,
    cause: Cause,
}

impl News {
    pub(crate) fn changed(&mut self, old: f64, new: f64, cause: Cause) {
        let old = self.0.map_or(old, |untold| untold.old);
        self.0 = Some(Changed { old, new, cause });
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Option<Report> {
        self.0.is_some().then(|| self.take_some()).flatten()
    }

    /// Nothing if nobody listens: what is told is on the heap.
    #[cold]
    fn take_some(&mut self) -> Option<Report> {
        let Changed { old, new, cause } = self.0.take()?;
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return None;
        }
        Some(Box::new(move |name| {
            tracing::debug!(name, old, new, cause = ?cause, "concurrency_adapted");
        }))
    }
}
