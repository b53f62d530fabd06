use std::time::Duration;

use tower_throttle_core::Invalid;
use tower_throttle_token_bucket::Rate;

use super::{
    Aimd,
    settings::{Preset, Settings, Steps, share},
};
use crate::{WindowedLaw, random::Random};

impl Aimd {
    /// The same as [`balanced`](Self::balanced).
    #[must_use]
    pub fn new(max_rate: Rate) -> Self {
        Self::balanced(max_rate)
    }

    /// Loses half at a cut, recovers by a fiftieth, and goes down to a twentieth.
    #[must_use]
    pub fn conservative(max_rate: Rate) -> Self {
        Self::preset(max_rate, Preset::CONSERVATIVE)
    }

    /// Loses 30 % at a cut, recovers by a twentieth, and goes down to a tenth.
    #[must_use]
    pub fn balanced(max_rate: Rate) -> Self {
        Self::preset(max_rate, Preset::BALANCED)
    }

    /// Loses 15 % at a cut, recovers by a tenth, and goes down to 30 %.
    #[must_use]
    pub fn optimistic(max_rate: Rate) -> Self {
        Self::preset(max_rate, Preset::OPTIMISTIC)
    }

    pub(crate) fn preset(max_rate: Rate, preset: Preset) -> Self {
        let settings = Settings::new(max_rate, preset);
        Self {
            effective: settings.max(),
            started: None,
            settings,
            random: Random::default(),
            last_cut: None,
            last_sent: None,
            before: None,
            used: Duration::ZERO,
            refusals: 0,
            paused_until: None,
            change: None,
        }
    }

    /// How much of the rate is lost at a cut, as a share. Default: 0.3.
    ///
    /// # Panics
    ///
    /// Unless `0 < penalty < 1`. Use [`try_penalty`](Self::try_penalty) for values from outside.
    #[must_use]
    #[track_caller]
    pub fn penalty(self, penalty: f64) -> Self {
        self.try_penalty(penalty).unwrap_or_else(|e| panic!("{e}"))
    }

    /// As [`penalty`](Self::penalty), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless `0 < penalty < 1`.
    pub fn try_penalty(self, penalty: f64) -> Result<Self, Invalid> {
        let penalty = share("penalty", penalty)?;
        Ok(self.with(|settings| settings.penalty = penalty))
    }

    /// How much the rate grows in each [`window`](Self::window) in which it is used, as a share of
    /// `max_rate`. Default: 0.05.
    ///
    /// # Panics
    ///
    /// Unless `0 < recovery < 1`. Use [`try_recovery`](Self::try_recovery) for values from outside.
    #[must_use]
    #[track_caller]
    pub fn recovery(self, recovery: f64) -> Self {
        self.try_recovery(recovery)
            .unwrap_or_else(|e| panic!("{e}"))
    }

    /// As [`recovery`](Self::recovery), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless `0 < recovery < 1`.
    pub fn try_recovery(self, recovery: f64) -> Result<Self, Invalid> {
        let recovery = share("recovery", recovery)?;
        Ok(self.with(|settings| settings.recovery = recovery))
    }

    /// The rate never falls below this share of `max_rate`. Default: 0.1.
    ///
    /// # Panics
    ///
    /// Unless `0 < floor ≤ 1`. Use [`try_floor`](Self::try_floor) for values from outside.
    #[must_use]
    #[track_caller]
    pub fn floor(self, floor: f64) -> Self {
        self.try_floor(floor).unwrap_or_else(|e| panic!("{e}"))
    }

    /// As [`floor`](Self::floor), for values from outside.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless `0 < floor ≤ 1`.
    pub fn try_floor(self, floor: f64) -> Result<Self, Invalid> {
        self.try_with(|settings| settings.set_floor(floor))
    }

    /// The rate never falls below this either. Default: the [`floor`](Self::floor) alone.
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
        self.try_with(|settings| settings.set_min_rate(rate))
    }

    /// The time in which the server counts requests: in which the rate grows by one `recovery`, and a
    /// quarter of which is the longest pause that isn't asked for. The limit is counted in tokens per
    /// window. Default: the period of `max_rate`, which is right for `Rate::per_minute(100)` if the
    /// server lets in 100 per minute. 30 years at most.
    ///
    /// # Panics
    ///
    /// If it is zero. Use [`try_window`](Self::try_window) for values from outside.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_throttle_aimd::Aimd;
    /// use tower_throttle_token_bucket::Rate;
    ///
    /// let law = Aimd::balanced(Rate::per_second(10)).window(Duration::from_secs(60));
    /// assert_eq!(law.effective(), 600.0);
    /// ```
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
        let law = self.try_with(|settings| settings.set_window(window))?;
        let effective = law.settings.max();
        Ok(Self { effective, ..law })
    }

    /// Steps down for each 429 and up for each success, with a bucket as large as the limit that is
    /// full at the start: as published. Default: see [above](Self#when-it-steps).
    #[must_use]
    pub fn per_response(self) -> Self {
        self.with(|settings| settings.steps = Steps::PerResponse)
    }

    /// Draws the same numbers in each run. Default: the next stream of this process, by host name and
    /// process id; see [`Generator`](tower_throttle_jitter::Generator).
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        let random = Random::new(Some(seed));
        Self { random, ..self }
    }

    /// The limit as it is now: tokens per [`window`](Self::window).
    #[must_use]
    pub const fn effective(&self) -> f64 {
        self.effective
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    fn try_with(
        mut self,
        change: impl FnOnce(&mut Settings) -> Result<(), Invalid>,
    ) -> Result<Self, Invalid> {
        change(&mut self.settings)?;
        Ok(self)
    }
}

impl WindowedLaw for Aimd {
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
