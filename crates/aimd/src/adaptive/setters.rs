use std::time::Duration;

use tower_throttle_core::Invalid;
use tower_throttle_token_bucket::Rate;

use super::{Adaptive, FIRST_CUT, settings::Settings};
use crate::{WindowedLaw, random::Random, sends::Sends};

/// Settings. A law that has begun must not be changed: it is to begin again.
impl Adaptive {
    /// Knows nothing yet: a window of 10 s, and no limits.
    #[must_use]
    pub fn new() -> Self {
        let settings = Settings::default();
        Self {
            sends: Sends::new(settings.window),
            accepted: Sends::new(settings.window),
            cost: None,
            settings,
            random: Random::default(),
            started: None,
            growth: None,
            epoch: None,
            last_cut: None,
            cut: FIRST_CUT,
            paused_until: None,
            change: None,
        }
    }

    /// The time in which the server counts requests. Default: 10 s. From 2 s up it works as it should;
    /// 30 years at most.
    ///
    /// # Panics
    ///
    /// If it is zero. Use [`try_window`](Self::try_window) for values from outside.
    #[must_use]
    #[track_caller]
    pub fn window(self, window: Duration) -> Self {
        self.try_window(window).unwrap_or_else(|e| panic!("{e}"))
    }

    /// As [`window`](Self::window), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it is zero.
    pub fn try_window(self, window: Duration) -> Result<Self, Invalid> {
        let settings = self.settings.window(window)?;
        Ok(Self {
            sends: Sends::new(settings.window),
            accepted: Sends::new(settings.window),
            settings,
            ..self
        })
    }

    /// The most that the server allows to all its clients together, if that is known. Default: it
    /// isn't.
    ///
    /// # Panics
    ///
    /// If it is below `min_rate`. Use [`try_max_rate`](Self::try_max_rate) for values from outside.
    #[must_use]
    #[track_caller]
    pub fn max_rate(self, rate: Rate) -> Self {
        self.try_max_rate(rate).unwrap_or_else(|e| panic!("{e}"))
    }

    /// As [`max_rate`](Self::max_rate), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it is below `min_rate`.
    pub fn try_max_rate(self, rate: Rate) -> Result<Self, Invalid> {
        let settings = self.settings.max_rate(rate)?;
        Ok(Self { settings, ..self })
    }

    /// The rate never falls below this. Default: one request in ten windows, or a hundredth of `max_rate`
    /// if that is less.
    ///
    /// # Panics
    ///
    /// If it is above `max_rate`. Use [`try_min_rate`](Self::try_min_rate) for values from outside.
    #[must_use]
    #[track_caller]
    pub fn min_rate(self, rate: Rate) -> Self {
        self.try_min_rate(rate).unwrap_or_else(|e| panic!("{e}"))
    }

    /// As [`min_rate`](Self::min_rate), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it is above `max_rate`.
    pub fn try_min_rate(self, rate: Rate) -> Result<Self, Invalid> {
        let settings = self.settings.min_rate(rate)?;
        Ok(Self { settings, ..self })
    }

    /// Draws the same numbers in each run. Default: the next stream of this process, by host name and
    /// process id; see [`Generator`](tower_throttle_jitter::Generator).
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self {
            random: Random::new(Some(seed)),
            ..self
        }
    }
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::new()
    }
}

impl WindowedLaw for Adaptive {
    fn with_window(self, window: Duration) -> Result<Self, Invalid> {
        self.try_window(window)
    }

    fn with_min_rate(self, rate: Rate) -> Result<Self, Invalid> {
        self.try_min_rate(rate)
    }

    fn with_seed(self, seed: u64) -> Self {
        self.seed(seed)
    }
}
