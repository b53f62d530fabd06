use std::time::Duration;

use tower_throttle_core::Invalid;
use tower_throttle_token_bucket::Rate;

use super::PacedLayer;
use crate::WindowedLaw;

/// What shapes any law that reckons with a window.
impl<L: WindowedLaw, F: Clone, W: Clone, R: Clone, H: Clone> PacedLayer<L, F, W, R, H> {
    /// The time in which the server counts requests: see [`Adaptive::window`](crate::Adaptive::window),
    /// default 10 s, and [`Aimd::window`](crate::Aimd::window), default the period of `max_rate`.
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
        self.try_relawed(|law| law.with_window(window))
    }

    /// The rate never falls below this: see [`Adaptive::min_rate`](crate::Adaptive::min_rate), default
    /// one request in ten windows, and [`Aimd::min_rate`](crate::Aimd::min_rate), default the floor.
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
        self.try_relawed(|law| law.with_min_rate(rate))
    }

    /// Draws the same numbers in each run. Default: the next stream of this process, by host name and
    /// process id; see [`Generator`](tower_throttle_jitter::Generator).
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.relawed(|law| law.with_seed(seed))
    }
}
