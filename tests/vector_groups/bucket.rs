//! A bucket with fractions of tokens and a clock that starts at zero, as the recorded cases have it.

use std::time::{Duration, Instant};

use tower_throttle_core::{Limiter, Wait, now};
use tower_throttle_token_bucket::{Rate, TokenBucket};

use super::same;

/// A token of a case is so many of ours.
const SCALE: f64 = 10_000.0;

/// Recorded times are sums of floating-point numbers; ours are rounded up to a nanosecond.
const TIME: f64 = 1e-6;

/// What came of asking for tokens.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Acquired,
    /// The wait would be too long, or would never end. Nothing was spent.
    Refused,
}

/// A bucket, and the seconds since the start.
pub(super) struct Timed {
    bucket: TokenBucket,
    start: Instant,
    pub(super) clock: Instant,
}

impl Timed {
    /// Holds `burst` tokens, of which `level` are there; `tokens` flow in each `period`.
    pub(super) fn new(tokens: f64, period: f64, burst: f64, level: f64) -> Result<Self, String> {
        let start = now();
        let bucket = TokenBucket::new(rate(tokens, period)?, start);
        let bucket = bucket.try_burst(scaled(burst)?);
        let bucket = bucket.map_err(|error| error.to_string())?;
        Ok(Self {
            bucket: bucket.initial_level(scaled(level)?),
            start,
            clock: start,
        })
    }

    pub(super) fn set_clock(&mut self, seconds: f64) -> Result<(), String> {
        self.clock = self.start + duration(seconds)?;
        Ok(())
    }

    /// How long a request would wait: `None` if for ever.
    pub(super) fn wait(&self, cost: f64) -> Result<Option<Duration>, String> {
        match self.bucket.predict(0, &scaled(cost)?, self.clock) {
            Wait::Now => Ok(Some(Duration::ZERO)),
            Wait::Until(at) => Ok(Some(at - self.clock)),
            Wait::Never => Ok(None),
            other => Err(format!("a bucket answers {other:?}")),
        }
    }

    /// Waits as a line of one does: not at all if the wait would be longer than `max_wait`.
    pub(super) fn acquire(&mut self, cost: f64, max_wait: Option<f64>) -> Result<Outcome, String> {
        let max_wait = max_wait.map_or(Ok(Duration::MAX), duration)?;
        match self.wait(cost)? {
            Some(wait) if wait <= max_wait => self.take(cost, wait),
            _ => Ok(Outcome::Refused),
        }
    }

    fn take(&mut self, cost: f64, wait: Duration) -> Result<Outcome, String> {
        self.clock += wait;
        let cost = scaled(cost)?;
        match self.bucket.check(&cost, self.clock) {
            Wait::Now => self.bucket.take(cost, self.clock),
            other => return Err(format!("after the wait: {other:?}")),
        };
        Ok(Outcome::Acquired)
    }

    pub(super) fn set_rate(&mut self, tokens: f64, period: f64) -> Result<(), String> {
        self.bucket.set_rate(rate(tokens, period)?, self.clock);
        Ok(())
    }

    pub(super) fn set_burst(&mut self, burst: f64) -> Result<(), String> {
        let set = self.bucket.set_burst(scaled(burst)?, self.clock);
        set.map_err(|error| error.to_string())
    }

    pub(super) fn refill(&mut self) {
        self.bucket.refill(self.clock);
    }

    pub(super) fn seconds(&self) -> f64 {
        (self.clock - self.start).as_secs_f64()
    }

    pub(super) fn is_at(&self, what: &str, seconds: f64) -> Result<(), String> {
        same(what, self.seconds(), seconds, TIME)
    }

    /// The level is rounded down to one of ours.
    pub(super) fn holds(&self, what: &str, tokens: f64) -> Result<(), String> {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let ours = self.bucket.level(self.clock) as f64 / SCALE;
        same(what, ours, tokens, 1.0 / SCALE)
    }

    pub(super) fn has(&self, tokens: f64, period: f64, burst: f64) -> Result<(), String> {
        let rate = self.bucket.rate().as_per_second_f64() / SCALE;
        same("rate", rate, tokens / period, 1e-9 * tokens / period)?;
        same(
            "burst",
            f64::from(self.bucket.burst_size()) / SCALE,
            burst,
            0.0,
        )
    }
}

pub(super) fn waits(what: &str, ours: Duration, theirs: f64) -> Result<(), String> {
    same(what, ours.as_secs_f64(), theirs, TIME)
}

/// So many tokens per so many seconds; one token in a part of the time if they are no number of ours.
pub(super) fn rate(tokens: f64, period: f64) -> Result<Rate, String> {
    let (events, period) = match scaled(tokens) {
        Ok(events) => (events, period),
        Err(_) => (scaled(1.0)?, period / tokens),
    };
    Rate::try_per(events, duration(period)?).map_err(|error| error.to_string())
}

/// Tokens of a case as tokens of ours. Not a number, negative, fractional: no `u32` says that.
pub(super) fn scaled(tokens: f64) -> Result<u32, String> {
    let ours = (tokens * SCALE).round();
    let exact = (ours - tokens * SCALE).abs() < 1e-3;
    if exact && (0.0..=f64::from(u32::MAX)).contains(&ours) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it fits"
        )]
        return Ok(ours as u32);
    }
    Err(format!("{tokens} tokens are no number of tokens"))
}

pub(super) fn duration(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{seconds} s: {error}"))
}
