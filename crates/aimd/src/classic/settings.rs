use std::time::Duration;

use tower_throttle_core::Invalid;
use tower_throttle_token_bucket::Rate;

use crate::bounds;

/// What a law is like, and when it steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    max_rate: Rate,
    /// The period of `max_rate` if it is not given.
    window: Option<Duration>,
    min_rate: Option<Rate>,
    pub(super) penalty: f64,
    pub(super) recovery: f64,
    floor: f64,
    pub(super) steps: Steps,
}

/// What one step is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steps {
    /// Down for a time of congestion, up for a time in which the rate was used.
    PerTime,
    /// Down for each 429, up for each success.
    PerResponse,
}

/// A preset of the original.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preset {
    pub(super) penalty: f64,
    pub(super) recovery: f64,
    pub(super) floor: f64,
    pub(crate) max_wait: Duration,
}

impl Preset {
    pub(crate) const CONSERVATIVE: Self = Self {
        penalty: 0.5,
        recovery: 0.02,
        floor: 0.05,
        max_wait: Duration::from_secs(120),
    };
    pub(crate) const BALANCED: Self = Self {
        penalty: 0.3,
        recovery: 0.05,
        floor: 0.1,
        max_wait: Duration::from_secs(45),
    };
    pub(crate) const OPTIMISTIC: Self = Self {
        penalty: 0.15,
        recovery: 0.1,
        floor: 0.3,
        max_wait: Duration::from_secs(20),
    };
}

impl Settings {
    pub(super) const fn new(max_rate: Rate, preset: Preset) -> Self {
        Self {
            max_rate,
            window: None,
            min_rate: None,
            penalty: preset.penalty,
            recovery: preset.recovery,
            floor: preset.floor,
            steps: Steps::PerTime,
        }
    }

    pub(super) fn set_window(&mut self, window: Duration) -> Result<(), Invalid> {
        self.window = Some(bounds::window(window)?);
        Ok(())
    }

    pub(super) fn set_min_rate(&mut self, rate: Rate) -> Result<(), Invalid> {
        self.min_rate = Some(bounds::min_rate(rate, Some(self.max_rate))?);
        Ok(())
    }

    pub(super) fn set_floor(&mut self, floor: f64) -> Result<(), Invalid> {
        self.floor = share_or_all("floor", floor)?;
        Ok(())
    }

    pub(super) fn window(&self) -> Duration {
        self.window.unwrap_or(self.max_rate.period())
    }

    /// In tokens per window.
    pub(super) fn max(&self) -> f64 {
        // Exact where the window is the period, as it is with most servers.
        let windows = self.window().as_secs_f64() / self.max_rate.period().as_secs_f64();
        f64::from(self.max_rate.events()) * windows
    }

    /// The lowest limit, as a share of the highest: the floor, or `min_rate` if that is more.
    pub(super) fn floor(&self) -> f64 {
        let share = |min: Rate| min.as_per_second_f64() / self.max_rate.as_per_second_f64();
        self.min_rate
            .map_or(self.floor, |min| share(min).max(self.floor))
            .min(1.0)
    }
}

/// A factor that must lie between 0 and 1, both excluded.
pub(super) fn share(field: &'static str, value: f64) -> Result<f64, Invalid> {
    let rule = "above 0 and below 1";
    let holds = value > 0.0 && value < 1.0;
    holds
        .then_some(value)
        .ok_or_else(|| Invalid::new(field, value, rule))
}

/// A factor that may be 1.
fn share_or_all(field: &'static str, value: f64) -> Result<f64, Invalid> {
    let rule = "above 0 and at most 1";
    let holds = value > 0.0 && value <= 1.0;
    holds
        .then_some(value)
        .ok_or_else(|| Invalid::new(field, value, rule))
}
