use super::{Nepers, baseline::Prior, window::Window};

/// The weight of the last window.
const WEIGHT: f64 = 0.2;

/// A window that is slower by so much than the server may be is suspicious.
const TOO_SLOW: Nepers = 0.3;

/// So many in a row, although the limit falls meanwhile, show that something else is wrong; twice as many if
/// that was looked at already.
const SURE: u32 = 3;

/// So many make it likely. Then it takes such a part of the difference to believe a probe that tells the same.
const LIKELY: u32 = 2;
const EASILY: f64 = 0.7;

/// Those with a smaller limit have little to lose, and the load of the others is most of what they see.
const MUCH: f64 = 1.5;

/// Latencies vary little if the standard deviation of their logarithms is a half at most: that is its square.
const LITTLE: f64 = 0.25;

/// If they vary by more, so many times as many calls tell as much, at most.
const MOST_PATIENCE: f64 = 10.0;

/// The latency under load, how much it varies, and whether the limit has to do with it.
#[derive(Debug, Clone)]
pub(super) struct Usual {
    /// Smoothed over windows.
    latency: Option<Nepers>,
    /// Of the logarithms of the latencies within a window, smoothed too.
    variance: f64,
    /// How many windows in a row were suspicious.
    slow: u32,
    /// Whether the limit was large enough when that began.
    matters: bool,
    sure: u32,
}

impl Usual {
    pub(super) fn latency(&self) -> Option<Nepers> {
        self.latency
    }

    /// The arithmetic mean of the latencies.
    pub(super) fn mean(&self) -> Option<Nepers> {
        self.latency.map(|latency| latency + self.variance() / 2.0)
    }

    /// How much the logarithms of the latencies vary.
    pub(super) fn variance(&self) -> f64 {
        self.variance
    }

    /// So many times as many calls as usual must be seen before they tell as much.
    pub(super) fn patience(&self) -> f64 {
        (self.variance() / LITTLE).clamp(1.0, MOST_PATIENCE)
    }

    /// Whether the server seems to have become slower.
    pub(super) fn seems_slower(&self) -> bool {
        self.slow >= LIKELY
    }

    /// What is known besides a reading.
    pub(super) fn prior(&self) -> Prior {
        Prior {
            patience: self.patience(),
            slower: if self.seems_slower() { EASILY } else { 1.0 },
        }
    }

    /// Whether few calls tell little.
    pub(super) fn varies(&self) -> bool {
        self.variance() > LITTLE
    }

    pub(super) fn learn(&mut self, window: &Window) {
        if let Some(latency) = window.latency() {
            let before = self.latency.unwrap_or(latency);
            self.latency = Some(before + WEIGHT * (latency - before));
        }
        if let Some(variance) = window.variance() {
            self.variance += WEIGHT * (variance - self.variance);
        }
    }

    /// A window was over with so much room. Whether the baseline may be wrong.
    pub(super) fn is_odd(&mut self, room: Nepers, limit: f64) -> bool {
        if room >= -TOO_SLOW {
            (self.slow, self.sure) = (0, SURE);
            return false;
        }
        if self.slow == 0 {
            self.matters = limit >= MUCH;
        }
        self.slow = self.slow.saturating_add(1);
        let is_odd = self.matters && self.slow >= self.sure;
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
            variance: 0.0,
            slow: 0,
            matters: false,
            sure: SURE,
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "time has to begin somewhere; nothing here waits for it"
)]
mod tests {
    use std::time::{Duration, Instant};

    use tower_throttle_core::Outcome;

    use super::*;
    use crate::Sample;

    /// After ten windows of ten such calls.
    fn after(latency: impl Fn(u32) -> f64) -> Usual {
        let sent = Instant::now();
        let mut usual = Usual::default();
        for _ in 0..10 {
            let mut window = Window::default();
            for i in 0..10 {
                let answered = sent + Duration::from_secs_f64(latency(i));
                window.add(&Sample::new(sent, answered, 1, Outcome::Succeeded));
            }
            usual.learn(&window);
        }
        usual
    }

    #[test]
    fn latencies_that_hardly_vary_take_no_patience() {
        let usual = after(|i| 1.0 + 0.05 * f64::from(i));
        assert!(!usual.varies() && usual.patience() <= 1.0, "{usual:?}");
    }

    /// The logarithms of an exponential distribution have a variance of 1.6, and more than 1 of it is seen.
    #[test]
    fn exponential_latencies_take_four_times_as_many_calls() {
        let usual = after(|i| -(1.0 - (f64::from(i) + 0.5) / 10.0).ln());
        assert!(
            usual.varies() && (3.5..4.5).contains(&usual.patience()),
            "{usual:?}"
        );
    }

    #[test]
    fn nothing_takes_endless_patience() {
        let usual = after(|i| if i == 0 { 1e6 } else { 1e-9 });
        assert!((usual.patience() - MOST_PATIENCE).abs() < 1e-9, "{usual:?}");
    }
}
