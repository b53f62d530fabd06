use std::time::Duration;

use tower_throttle_core::{
    Fail, Invalid,
    hold::Head,
    select::{Alike, Everything},
};
use tower_throttle_token_bucket::Rate;

use super::PacedLayer;
use crate::Adaptive;

/// Finds the rate that a server will bear by probing, and shares it fairly with clients that it knows
/// nothing of. See [`Adaptive`] for the law.
pub type AdaptiveLayer<F = Everything, W = Alike, R = Fail, H = Head> =
    PacedLayer<Adaptive, F, W, R, H>;

impl PacedLayer<Adaptive> {
    /// Knows nothing yet: a window of 10 s, and no limits.
    #[must_use]
    pub fn new() -> Self {
        Self::following(Adaptive::new())
    }
}

impl Default for PacedLayer<Adaptive> {
    fn default() -> Self {
        Self::new()
    }
}

/// What shapes the law.
impl<F: Clone, W: Clone, R: Clone, H: Clone> PacedLayer<Adaptive, F, W, R, H> {
    /// The time in which the server counts requests: see [`Adaptive::window`]. Default: 10 s.
    ///
    /// # Panics
    ///
    /// If it is zero. Use [`try_window`](Self::try_window) for values from outside.
    #[must_use]
    #[track_caller]
    pub fn window(self, window: Duration) -> Self {
        self.relawed(|law| law.window(window))
    }

    /// As [`window`](Self::window), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it is zero.
    pub fn try_window(self, window: Duration) -> Result<Self, Invalid> {
        self.try_relawed(|law| law.try_window(window))
    }

    /// The most that the server allows to all its clients together: see [`Adaptive::max_rate`].
    /// Default: unknown.
    ///
    /// # Panics
    ///
    /// If it is below `min_rate`. Use [`try_max_rate`](Self::try_max_rate) for values from outside.
    #[must_use]
    #[track_caller]
    pub fn max_rate(self, rate: Rate) -> Self {
        self.relawed(|law| law.max_rate(rate))
    }

    /// As [`max_rate`](Self::max_rate), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it is below `min_rate`.
    pub fn try_max_rate(self, rate: Rate) -> Result<Self, Invalid> {
        self.try_relawed(|law| law.try_max_rate(rate))
    }

    /// The rate never falls below this: see [`Adaptive::min_rate`]. Default: one request in ten
    /// windows.
    ///
    /// # Panics
    ///
    /// If it is above `max_rate`. Use [`try_min_rate`](Self::try_min_rate) for values from outside.
    #[must_use]
    #[track_caller]
    pub fn min_rate(self, rate: Rate) -> Self {
        self.relawed(|law| law.min_rate(rate))
    }

    /// As [`min_rate`](Self::min_rate), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it is above `max_rate`.
    pub fn try_min_rate(self, rate: Rate) -> Result<Self, Invalid> {
        self.try_relawed(|law| law.try_min_rate(rate))
    }

    /// Draws the same numbers in each run: see [`Adaptive::seed`].
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.relawed(|law| law.seed(seed))
    }
}
