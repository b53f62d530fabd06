use super::Nepers;

/// The weight of the last window.
const WEIGHT: f64 = 0.2;

/// A window that is slower by so much than the server may be is suspicious.
const TOO_SLOW: Nepers = 0.3;

/// So many in a row, although the limit falls meanwhile, show that something else is wrong; twice as many if
/// that was looked at already.
const SURE: u32 = 3;

/// Those with a smaller limit have little to lose, and the load of the others is most of what they see.
const MUCH: f64 = 1.5;

/// The latency under load, and whether the limit has to do with it.
#[derive(Debug, Clone)]
pub(super) struct Usual {
    /// Smoothed over windows.
    latency: Option<Nepers>,
    /// How many windows in a row were suspicious.
    slow: u32,
    sure: u32,
}

impl Usual {
    pub(super) fn latency(&self) -> Option<Nepers> {
        self.latency
    }

    /// A window was over with such a latency, and so much room. Whether the baseline may be wrong.
    pub(super) fn is_odd(&mut self, latency: Nepers, room: Nepers, limit: f64) -> bool {
        let before = self.latency.unwrap_or(latency);
        self.latency = Some(before + WEIGHT * (latency - before));
        if room >= -TOO_SLOW {
            (self.slow, self.sure) = (0, SURE);
        } else if self.slow > 0 || limit >= MUCH {
            self.slow = self.slow.saturating_add(1);
        }
        let is_odd = self.slow >= self.sure;
        if is_odd {
            self.sure = self.sure.saturating_mul(2);
        }
        is_odd
    }
}

impl Default for Usual {
    fn default() -> Self {
        Self {
            latency: None,
            slow: 0,
            sure: SURE,
        }
    }
}
