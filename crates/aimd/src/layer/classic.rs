use tower_throttle_core::{
    Fail, Invalid,
    hold::Head,
    select::{Alike, Everything},
};
use tower_throttle_token_bucket::Rate;

use super::PacedLayer;
use crate::{Aimd, classic::Preset};

/// Cuts the rate when the server says too much, and lets it grow again bit by bit. See [`Aimd`] for
/// the law.
pub type AimdLayer<F = Everything, W = Alike, R = Fail, H = Head> = PacedLayer<Aimd, F, W, R, H>;

impl PacedLayer<Aimd> {
    /// The same as [`balanced`](Self::balanced).
    #[must_use]
    pub fn new(max_rate: Rate) -> Self {
        Self::balanced(max_rate)
    }

    /// [`Aimd::conservative`], and requests wait for 120 s at most.
    #[must_use]
    pub fn conservative(max_rate: Rate) -> Self {
        Self::preset(max_rate, Preset::CONSERVATIVE)
    }

    /// [`Aimd::balanced`], and requests wait for 45 s at most.
    #[must_use]
    pub fn balanced(max_rate: Rate) -> Self {
        Self::preset(max_rate, Preset::BALANCED)
    }

    /// [`Aimd::optimistic`], and requests wait for 20 s at most.
    #[must_use]
    pub fn optimistic(max_rate: Rate) -> Self {
        Self::preset(max_rate, Preset::OPTIMISTIC)
    }

    fn preset(max_rate: Rate, preset: Preset) -> Self {
        Self::following(Aimd::preset(max_rate, preset)).max_wait(preset.max_wait)
    }
}

/// What shapes the law.
impl<F: Clone, W: Clone, R: Clone, H: Clone> PacedLayer<Aimd, F, W, R, H> {
    /// How much of the rate is lost at a cut: see [`Aimd::penalty`]. Default: 0.3.
    ///
    /// # Panics
    ///
    /// Unless `0 < penalty < 1`. Use [`try_penalty`](Self::try_penalty) for values from outside.
    #[must_use]
    #[track_caller]
    pub fn penalty(self, penalty: f64) -> Self {
        self.relawed(|law| law.penalty(penalty))
    }

    /// As [`penalty`](Self::penalty), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless `0 < penalty < 1`.
    pub fn try_penalty(self, penalty: f64) -> Result<Self, Invalid> {
        self.try_relawed(|law| law.try_penalty(penalty))
    }

    /// How much the rate grows in each window in which it is used: see [`Aimd::recovery`]. Default:
    /// 0.05.
    ///
    /// # Panics
    ///
    /// Unless `0 < recovery < 1`. Use [`try_recovery`](Self::try_recovery) for values from outside.
    #[must_use]
    #[track_caller]
    pub fn recovery(self, recovery: f64) -> Self {
        self.relawed(|law| law.recovery(recovery))
    }

    /// As [`recovery`](Self::recovery), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless `0 < recovery < 1`.
    pub fn try_recovery(self, recovery: f64) -> Result<Self, Invalid> {
        self.try_relawed(|law| law.try_recovery(recovery))
    }

    /// The rate never falls below this share of `max_rate`: see [`Aimd::floor`]. Default: 0.1.
    ///
    /// # Panics
    ///
    /// Unless `0 < floor ≤ 1`. Use [`try_floor`](Self::try_floor) for values from outside.
    #[must_use]
    #[track_caller]
    pub fn floor(self, floor: f64) -> Self {
        self.relawed(|law| law.floor(floor))
    }

    /// As [`floor`](Self::floor), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless `0 < floor ≤ 1`.
    pub fn try_floor(self, floor: f64) -> Result<Self, Invalid> {
        self.try_relawed(|law| law.try_floor(floor))
    }

    /// Steps down for each 429 and up for each success: see [`Aimd::per_response`].
    #[must_use]
    pub fn per_response(self) -> Self {
        self.relawed(Aimd::per_response)
    }
}
