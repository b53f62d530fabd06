use std::time::{Duration, Instant};

use tower_throttle_core::Report;

use super::{closure::Closure, settings::Closing};

/// What has happened to a gate and was not told yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct News {
    /// It has opened after so long.
    opened: Option<Duration>,
    closed: Option<Closing>,
}

impl News {
    pub(super) fn opened(&mut self, closure: &Closure, now: Instant) {
        self.opened = Some(now.saturating_duration_since(closure.since()));
    }

    pub(super) fn closed(&mut self, closing: Closing) {
        self.closed = Some(closing);
    }

    pub(super) fn take(&mut self) -> Option<Report> {
        if self.opened.is_none() && self.closed.is_none() {
            return None;
        }
        let news = std::mem::take(self);
        Some(Box::new(move |name| news.tell(name)))
    }

    fn tell(self, name: Option<&str>) {
        if let Some(after) = self.opened {
            tracing::info!(name, after = ?after, "gate_opened");
        }
        if let Some(Closing {
            pause,
            asked,
            refuses,
        }) = self.closed
        {
            tracing::info!(name, pause = ?pause, asked = ?asked, refuses, "gate_closed");
        }
    }
}
