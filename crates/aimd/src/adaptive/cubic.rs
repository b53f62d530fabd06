use std::time::{Duration, Instant};

use super::epoch::Epoch;
use crate::time::seconds;

/// How steeply the rate leaves the plateau.
const PROBE: f64 = 0.2;

/// The growth of the rate after an epoch: back to the plateau, along it, and beyond. (CUBIC's shape: Ha,
/// Rhee and Xu, *CUBIC: a new TCP-friendly high-speed TCP variant*, 2008; RFC 9438 §4.2.)
#[derive(Debug, Clone, Copy)]
pub(super) struct Cubic {
    /// The rate that was borne before: r_max.
    plateau: f64,
    /// How far below it the rate begins: β.
    cut: f64,
    /// When the rate is on the plateau again, from the start: K.
    back: Duration,
    start: Instant,
}

impl Cubic {
    /// `spread` is drawn, so that not all who share a quota probe at the same time.
    pub(super) fn after(epoch: &Epoch, spread: f64, now: Instant) -> Self {
        let plateau = epoch.rate_before.min(epoch.delivered);
        let per_span = plateau * epoch.span.as_secs_f64();
        Self {
            plateau,
            cut: (0.1 * (10.0 / per_span).sqrt()).clamp(0.02, 0.1),
            back: seconds(epoch.span.as_secs_f64() * (0.4 * per_span).clamp(2.0, 6.0) * spread),
            start: now,
        }
    }

    pub(super) fn rate(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.start);
        // K is two spans at least, so it is no zero unless the window is a nanosecond.
        let back = self.back.as_secs_f64().max(1e-9);
        let progress = elapsed.as_secs_f64() / back - 1.0;
        let steepness = if progress < 0.0 { self.cut } else { PROBE };
        self.plateau * (1.0 + steepness * progress.powi(3))
    }

    pub(super) fn plateau(&self) -> f64 {
        self.plateau
    }

    pub(super) fn cut(&self) -> f64 {
        self.cut
    }
}
