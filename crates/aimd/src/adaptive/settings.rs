use std::time::Duration;

use tower_throttle_core::Invalid;
use tower_throttle_token_bucket::Rate;

use super::HEADROOM;
use crate::{bounds, time::FASTEST};

/// The start, as a share of `max_rate`. Less of it means fewer refusals where many clients start at
/// once (ten of them, over five windows: 7.8 % of all attempts at 1/8, 7.4 % at 1/9, 3.4 % at 1/16), and a
/// later arrival at the rate where they are few (one alone uses 80 % of its first five windows at 1/9,
/// and 73 % at 1/16).
const START_SHARE: f64 = 1.0 / 9.0;

/// The start if there is no `max_rate`, in requests per second.
const START_RATE: f64 = 0.5;

/// The rate doubles in this part of the window at the start.
const DOUBLING: u32 = 2;

/// The least rate, in requests per window.
const LEAST_PER_WINDOW: f64 = 0.1;

/// The most that the least rate may be by default, as a share of `max_rate`: where windows are longer
/// than is said, one request in ten of them may be more than there is.
const LEAST_SHARE: f64 = 0.01;

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) window: Duration,
    max_rate: Option<Rate>,
    min_rate: Option<Rate>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            max_rate: None,
            min_rate: None,
        }
    }
}

impl Settings {
    pub(super) fn window(self, window: Duration) -> Result<Self, Invalid> {
        let window = bounds::window(window)?;
        Ok(Self { window, ..self })
    }

    pub(super) fn max_rate(self, rate: Rate) -> Result<Self, Invalid> {
        let max_rate = Some(bounds::max_rate(rate, self.min_rate)?);
        Ok(Self { max_rate, ..self })
    }

    pub(super) fn min_rate(self, rate: Rate) -> Result<Self, Invalid> {
        let min_rate = Some(bounds::min_rate(rate, self.max_rate)?);
        Ok(Self { min_rate, ..self })
    }

    /// With so many tokens to a request.
    pub(super) fn start_rate(&self, cost: f64) -> f64 {
        let share = |max: Rate| max.as_per_second_f64() * START_SHARE;
        self.bound(self.max_rate.map_or(START_RATE * cost, share), cost)
    }

    pub(super) fn doubling(&self) -> Duration {
        (self.window / DOUBLING).max(Duration::from_nanos(1))
    }

    /// The nearest rate within bounds; the least if it is no number.
    pub(super) fn bound(&self, rate: f64, cost: f64) -> f64 {
        let most = self.most();
        // Not `clamp`, which lets NaN pass.
        rate.max(self.least(cost).min(most)).min(most)
    }

    fn most(&self) -> f64 {
        let most = self.max_rate.map(|max| max.as_per_second_f64() * HEADROOM);
        most.unwrap_or(FASTEST).min(FASTEST)
    }

    fn least(&self, cost: f64) -> f64 {
        let default = LEAST_PER_WINDOW * cost / self.window.as_secs_f64();
        let share = |max: Rate| max.as_per_second_f64() * LEAST_SHARE;
        let default = self.max_rate.map_or(default, |max| default.min(share(max)));
        self.min_rate.map_or(default, Rate::as_per_second_f64)
    }
}
