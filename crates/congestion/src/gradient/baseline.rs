use super::Nepers;

/// A latency that is lower by a fifth than the baseline is no chance result, though it may be half of one.
const SURELY_LOWER: Nepers = 0.25;

/// If the baseline is wrong by this much (a factor of 1.5), so is the limit that was found with it.
pub(super) const NEWS: Nepers = 0.3;

/// A reading this much higher (a factor of 2.5) is believed at once: it is another server now.
const ANOTHER_SERVER: Nepers = 0.9;

/// In a probe that all make together, this much is enough (a factor of 1.65), if it is not a single call.
const ANOTHER_SERVER_FOR_ALL: Nepers = 0.5;

/// The least weight of a lower reading: others' load can only make readings higher.
const LOWER: f64 = 0.15;

/// As many calls as the past counts for at most.
const MEMORY: f64 = 10.0;

/// The latency with little to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Baseline {
    latency: Option<Nepers>,
    weight: f64,
    readings: u32,
}

/// Whether the limit must be found anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Old,
    Lower,
    Higher,
}

impl Baseline {
    pub(super) fn latency(&self) -> Option<Nepers> {
        self.latency
    }

    /// Whether it was read often enough to be sure of it.
    pub(super) fn is_young(&self) -> bool {
        self.readings < 2
    }

    /// A window under load: a baseline can't be higher than that.
    pub(super) fn observe(&mut self, latency: Nepers) -> News {
        match self.latency {
            Some(known) if latency < known - NEWS => {
                self.latency = Some(latency);
                News::Lower
            }
            Some(known) if latency < known - SURELY_LOWER => {
                self.latency = Some((known + latency) / 2.0);
                News::Old
            }
            _ => News::Old,
        }
    }

    /// A probe of so many calls. One that was not made by everybody together counts only if it is
    /// lower, or much higher.
    pub(super) fn read(&mut self, latency: Nepers, calls: f64, together: bool) -> News {
        let known = self.latency.unwrap_or(latency);
        let first = self.readings == 0;
        let together = together || self.is_young();
        self.readings = self.readings.saturating_add(1);
        let weight = calls / (calls + self.weight);
        if first || latency < known - NEWS {
            self.set(latency, calls);
            return News::Lower;
        }
        let much = if together && calls >= 2.0 {
            ANOTHER_SERVER_FOR_ALL
        } else {
            ANOTHER_SERVER
        };
        if latency > known + much {
            self.set(latency, calls);
            return News::Higher;
        }
        if latency < known {
            self.mix(latency, calls, weight.max(LOWER));
        } else if together {
            self.mix(latency, calls, weight);
        }
        News::Old
    }

    fn set(&mut self, latency: Nepers, weight: f64) {
        self.latency = Some(latency);
        self.weight = weight;
    }

    fn mix(&mut self, latency: Nepers, calls: f64, weight: f64) {
        let known = self.latency.unwrap_or(latency);
        self.latency = Some(known + weight * (latency - known));
        self.weight = (self.weight + calls).min(MEMORY);
    }
}
