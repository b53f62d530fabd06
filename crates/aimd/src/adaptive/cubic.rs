use std::time::Duration;

use super::growth::doublings;
use crate::time::seconds;

/// How steeply the rate leaves the plateau.
const PROBE: f64 = 0.2;

/// After so many K without a refusal the old plateau tells nothing any more.
const OVERDUE: u32 = 3;

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
    /// The time in which the rate doubles once a refusal is overdue.
    doubling: Duration,
}

impl Cubic {
    /// `plateau` is what was borne, so many `requests` in the time over which it was counted: `span`,
    /// spread a little, so that not all who share a quota probe at the same time.
    pub(super) fn new(plateau: f64, requests: f64, span: Duration, doubling: Duration) -> Self {
        Self {
            plateau,
            cut: (0.1 * (10.0 / requests).sqrt()).clamp(0.02, 0.1),
            back: seconds(span.as_secs_f64() * (0.4 * requests).clamp(2.0, 6.0)),
            doubling,
        }
    }

    pub(super) fn rate(&self, elapsed: Duration) -> f64 {
        // K is two spans at least, so it is no zero unless the window is a nanosecond.
        let back = self.back.as_secs_f64().max(1e-9);
        let progress = (elapsed.as_secs_f64() / back).min(OVERDUE.into()) - 1.0;
        let steepness = if progress < 0.0 { self.cut } else { PROBE };
        let overdue = elapsed.saturating_sub(self.back.saturating_mul(OVERDUE));
        self.plateau * (1.0 + steepness * progress.powi(3)) * doublings(overdue, self.doubling)
    }

    pub(super) fn plateau(&self) -> f64 {
        self.plateau
    }

    pub(super) fn cut(&self) -> f64 {
        self.cut
    }
}
