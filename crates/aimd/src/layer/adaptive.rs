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
}
