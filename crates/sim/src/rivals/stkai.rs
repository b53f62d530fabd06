//! The adaptive rate limit of the stkai SDK, as published.
//!
//! Source: stkai-sdk-python, `src/stkai/_rate_limit.py` (`AdaptiveRateLimitedHttpClient`), read for
//! this; the presets are those of its configuration, and the vectors of the tests were recorded by
//! running it.

use std::time::{Duration, Instant};

use tower_throttle_core::{Invalid, Limiter, Outcome, Snapshot, Wait};
use tower_throttle_jitter::Generator;

use super::bucket::Bucket;

/// The settings of the limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    /// Requests per minute that the SDK assumes. Its own simulations give everybody 100, whatever the
    /// preset; others take it as a percentage of the quota.
    pub max_requests: u32,
    /// How long a request may wait for a token.
    pub max_wait: Duration,
    /// The least of the rate, as a part of `max_requests`.
    pub floor: f64,
    /// What a 429 takes off, as a part of the rate.
    pub penalty: f64,
    /// What any other response adds, as a part of `max_requests`.
    pub recovery: f64,
}

impl Preset {
    /// For critical batches, says the SDK.
    pub const CONSERVATIVE: Self = Self {
        max_requests: 20,
        max_wait: Duration::from_secs(120),
        floor: 0.05,
        penalty: 0.5,
        recovery: 0.02,
    };

    /// For most uses, says the SDK.
    pub const BALANCED: Self = Self {
        max_requests: 40,
        max_wait: Duration::from_secs(45),
        floor: 0.1,
        penalty: 0.3,
        recovery: 0.05,
    };

    /// For interactive uses, says the SDK.
    pub const OPTIMISTIC: Self = Self {
        max_requests: 80,
        max_wait: Duration::from_secs(20),
        floor: 0.3,
        penalty: 0.15,
        recovery: 0.1,
    };

    /// The preset of this name: `conservative`, `balanced` or `optimistic`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "conservative" => Some(Self::CONSERVATIVE),
            "balanced" => Some(Self::BALANCED),
            "optimistic" => Some(Self::OPTIMISTIC),
            _ => None,
        }
    }
}

/// Additive increase with each success, multiplicative decrease with each 429.
///
/// As a [`Limiter`] it lets requests pass in the order of the line; set the
/// [`max_wait`](Preset::max_wait) there. [`attempt`](Self::attempt) is how those who wait in the SDK
/// do it: some much longer than others, so more give up than in a line.
#[derive(Debug)]
pub struct Stkai {
    preset: Preset,
    max: f64,
    window: f64,
    effective_max: f64,
    bucket: Bucket,
    generator: Generator,
}

impl Stkai {
    /// Starts at `max_requests` per `window`, with as many tokens in the bucket.
    ///
    /// # Errors
    ///
    /// If `max_requests` or `window` is 0, as in the SDK.
    pub fn new(
        preset: Preset,
        max_requests: u32,
        window: Duration,
        now: Instant,
        generator: Generator,
    ) -> Result<Self, Invalid> {
        if max_requests == 0 {
            return Err(Invalid::new("max_requests", max_requests, "at least 1"));
        }
        if window.is_zero() {
            return Err(Invalid::new("window", "0 s", "above 0"));
        }
        let (max, window) = (f64::from(max_requests), window.as_secs_f64());
        Ok(Self {
            preset,
            max,
            window,
            effective_max: max,
            bucket: Bucket::new(max, max, max / window, now),
            generator,
        })
    }

    /// Requests per window, at the moment.
    #[must_use]
    pub fn effective_max(&self) -> f64 {
        self.effective_max
    }

    /// One round of the loop in which a request of the SDK waits: all who wait sleep for the same
    /// token, each ±20 %, and whoever wakes first has it. The test of the time that is left knows
    /// nothing of these 20 %, nor of the others.
    pub fn attempt(&mut self, turn: &Turn, now: Instant) -> Step {
        self.bucket.refill(now);
        let wait = self.bucket.until_one(now);
        if wait.is_zero() {
            self.bucket.take(now);
            return Step::Acquired;
        }
        let waited = now.saturating_duration_since(turn.since);
        if turn
            .max_wait
            .is_some_and(|max| waited.saturating_add(wait) > max)
        {
            return Step::TimedOut;
        }
        let jitter = self.jitter();
        let sleep = Duration::try_from_secs_f64(wait.as_secs_f64() * jitter);
        Step::Sleep(sleep.map_or(Duration::MAX, |sleep| sleep.max(Duration::from_nanos(1))))
    }

    fn decrease(&mut self, jitter: f64) {
        let cut = self.effective_max * (1.0 - self.preset.penalty * jitter);
        self.set(cut.max(self.max * self.preset.floor));
    }

    fn increase(&mut self, jitter: f64) {
        let grown = self.effective_max + self.max * self.preset.recovery * jitter;
        self.set(grown.min(self.max));
    }

    /// The time since the last refill counts at the new rate, as in the SDK.
    fn set(&mut self, effective_max: f64) {
        self.effective_max = effective_max;
        self.bucket
            .resize(effective_max, effective_max / self.window);
    }

    fn jitter(&mut self) -> f64 {
        0.8 + 0.4 * self.generator.unit()
    }
}

/// A request that waits as the SDK does: see [`Stkai::attempt`].
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    since: Instant,
    max_wait: Option<Duration>,
}

impl Turn {
    /// Waits from `now` on, for `max_wait` if there is one.
    #[must_use]
    pub fn new(max_wait: Option<Duration>, now: Instant) -> Self {
        Self {
            since: now,
            max_wait,
        }
    }
}

/// What one who waits must do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send: it took a token.
    Acquired,
    /// Try again after this long, never zero.
    Sleep(Duration),
    /// Give up; the SDK then retries, as after a 429 without a Retry-After.
    TimedOut,
}

impl Limiter for Stkai {
    type Cost = ();
    type Permit = ();
    type Feedback = Outcome;

    fn check(&self, _cost: &(), now: Instant) -> Wait {
        self.bucket.wait(now)
    }

    fn take(&mut self, _cost: (), at: Instant) {
        self.bucket.take(at);
    }

    fn cancel(&mut self, _permit: (), _now: Instant) {
        self.bucket.give_back();
    }

    /// Every response that isn't a 429 counts as a success, a 503 too.
    fn complete(&mut self, _permit: (), feedback: Option<Outcome>, _now: Instant) {
        let Some(outcome) = feedback else { return };
        let jitter = self.jitter();
        match outcome {
            Outcome::Throttled => self.decrease(jitter),
            _ => self.increase(jitter),
        }
    }

    fn describe(&self, snapshot: &mut Snapshot, _now: Instant) {
        snapshot.rate = Some(self.effective_max / self.window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::testing::start;

    const MINUTE: Duration = Duration::from_secs(60);

    fn stkai(preset: Preset, max_requests: u32, window: Duration, t0: Instant) -> Stkai {
        Stkai::new(preset, max_requests, window, t0, Generator::seeded(1)).unwrap()
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    fn penalties(preset: Preset, expected: &[f64]) {
        let t0 = start();
        let mut stkai = stkai(preset, 100, MINUTE, t0);
        for &expected in expected {
            stkai.decrease(1.0);
            assert!(near(stkai.effective_max(), expected));
            assert!(near(stkai.bucket.tokens(t0), expected));
        }
    }

    #[test]
    fn a_429_cuts_as_published() {
        penalties(
            Preset::BALANCED,
            &[70.0, 49.0, 34.3, 24.01, 16.807, 11.7649, 10.0, 10.0],
        );
        penalties(Preset::CONSERVATIVE, &[50.0, 25.0, 12.5, 6.25, 5.0, 5.0]);
        penalties(Preset::OPTIMISTIC, &[85.0, 72.25, 61.4125, 52.200_625]);
    }

    #[test]
    fn a_success_adds_as_published() {
        let t0 = start();
        let mut stkai = stkai(Preset::BALANCED, 100, MINUTE, t0);
        stkai.decrease(1.2);
        stkai.decrease(0.8);
        assert!(near(stkai.effective_max(), 48.64));
        stkai.increase(0.8);
        assert!(near(stkai.effective_max(), 52.64));
        stkai.increase(1.2);
        assert!(near(stkai.effective_max(), 58.64));
        assert!(near(stkai.bucket.tokens(t0), 48.64));
        (0..20).for_each(|_| stkai.increase(1.0));
        assert!(near(stkai.effective_max(), 100.0));
    }

    #[test]
    fn waits_are_those_of_the_effective_rate() {
        let t0 = start();
        let preset = Preset {
            penalty: 0.5,
            ..Preset::BALANCED
        };
        let mut stkai = stkai(preset, 10, Duration::from_secs(10), t0);
        (0..10).for_each(|_| stkai.take((), t0));
        stkai.decrease(1.0);
        let due = t0 + Duration::from_secs(2) + Duration::from_nanos(1);
        assert_eq!(stkai.check(&(), t0), Wait::Until(due));
    }

    // The SDK's floor is below one token for every limit under 20 (conservative), 10, 4 per window.
    #[test]
    fn below_one_token_nothing_is_ever_sent() {
        let t0 = start();
        let mut stkai = stkai(Preset::CONSERVATIVE, 19, MINUTE, t0);
        (0..10).for_each(|_| stkai.decrease(1.0));
        (0..19).for_each(|_| stkai.take((), t0));
        assert_eq!(stkai.check(&(), t0 + MINUTE * 1000), Wait::Changed);
    }

    #[test]
    fn a_503_counts_as_a_success() {
        let t0 = start();
        let mut stkai = stkai(Preset::BALANCED, 100, MINUTE, t0);
        (0..7).for_each(|_| stkai.decrease(1.0));
        stkai.complete((), Some(Outcome::Failed), t0);
        assert!(stkai.effective_max() >= 14.0);
        let before = stkai.effective_max();
        stkai.complete((), None, t0);
        assert!(near(stkai.effective_max(), before));
    }

    #[test]
    fn one_who_cannot_be_served_in_time_gives_up_at_once() {
        let t0 = start();
        for (max_wait, hopeless) in [(10.1, false), (9.9, true)] {
            let mut stkai = stkai(Preset::BALANCED, 1, Duration::from_secs(10), t0);
            let turn = Turn::new(Some(Duration::from_secs_f64(max_wait)), t0);
            assert_eq!(stkai.attempt(&turn, t0), Step::Acquired);
            assert_eq!(stkai.attempt(&turn, t0) == Step::TimedOut, hopeless);
        }
    }

    #[test]
    fn those_who_wait_sleep_for_the_same_token() {
        let t0 = start();
        let mut stkai = stkai(Preset::BALANCED, 10, Duration::from_secs(10), t0);
        (0..10).for_each(|_| stkai.take((), t0));
        let turn = Turn::new(Some(Duration::from_secs(45)), t0);
        for _ in 0..100 {
            let Step::Sleep(sleep) = stkai.attempt(&turn, t0) else {
                panic!("there is no token");
            };
            assert!((0.8..1.201).contains(&sleep.as_secs_f64()));
        }
    }

    #[test]
    fn settings_that_the_sdk_refuses_are_refused() {
        let now = start();
        let new = |max, window| {
            Stkai::new(Preset::BALANCED, max, window, now, Generator::seeded(1)).is_err()
        };
        assert!(new(0, MINUTE));
        assert!(new(1, Duration::ZERO));
        assert!(Preset::named("reckless").is_none());
    }
}
