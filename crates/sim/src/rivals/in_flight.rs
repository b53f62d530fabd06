use std::{
    fmt,
    time::{Duration, Instant},
};

use tower_throttle_core::{Invalid, Limiter, Outcome, Snapshot, Wait};

/// A law that turns finished calls into a limit on how many may be in flight.
pub trait Formula: fmt::Debug + Send + 'static {
    /// How many may be in flight.
    fn limit(&self) -> u32;

    /// A call is over.
    fn sample(&mut self, sample: Sample);
}

/// A finished call, as a [`Formula`] is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When it ended.
    pub now: Instant,
    /// How long it took.
    pub latency: Duration,
    /// How many were in flight when it was sent, itself included.
    pub in_flight: u32,
    /// Whether the server refused it, or failed.
    pub is_drop: bool,
}

/// Between what a limit may move, and where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    initial: u32,
    min: u32,
    max: u32,
}

impl Bounds {
    /// Bounds with `min ≤ max`. The limit starts at `initial`, wherever that is.
    ///
    /// # Errors
    ///
    /// If `min` is above `max`.
    pub fn new(initial: u32, min: u32, max: u32) -> Result<Self, Invalid> {
        if min > max {
            return Err(Invalid::new("min", min, "at most max"));
        }
        Ok(Self { initial, min, max })
    }

    /// Bounds that are known to be right.
    pub(super) const fn published(initial: u32, min: u32, max: u32) -> Self {
        Self { initial, min, max }
    }

    pub(super) const fn initial(self) -> u32 {
        self.initial
    }

    pub(super) fn clamp(self, limit: u32) -> u32 {
        limit.clamp(self.min, self.max)
    }

    pub(super) fn clamp_f64(self, limit: f64) -> f64 {
        limit.clamp(f64::from(self.min), f64::from(self.max))
    }
}

/// The whole part of a limit, as a cast truncates it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates"
)]
pub(super) fn whole(limit: f64) -> u32 {
    limit as u32
}

/// Lets as many requests be in flight as a [`Formula`] allows.
///
/// A limit that falls below what is in flight lets nothing through until enough calls are over. A
/// call that is dropped in flight, or says nothing about load, is no sample; one that was refused or
/// failed is a drop. What a status means is for the classifier to say: tower-resilience, for one,
/// takes every response for a success, a 429 too, and only an error for a failure.
#[derive(Debug)]
pub struct InFlightLimit<F> {
    formula: F,
    in_flight: u32,
}

impl<F: Formula> InFlightLimit<F> {
    /// Nothing is in flight yet.
    pub fn new(formula: F) -> Self {
        Self {
            formula,
            in_flight: 0,
        }
    }

    /// How many may be in flight.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.formula.limit()
    }

    /// How many are in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }
}

/// A call in flight.
#[derive(Debug)]
pub struct CallPermit {
    sent: Instant,
    in_flight: u32,
}

impl<F: Formula> Limiter for InFlightLimit<F> {
    type Cost = ();
    type Permit = CallPermit;
    type Feedback = Outcome;

    /// Latency is counted from the grant.
    const MAX_LAG: Duration = Duration::ZERO;

    fn check(&self, _cost: &(), _now: Instant) -> Wait {
        if self.in_flight < self.formula.limit() {
            Wait::Now
        } else {
            Wait::Changed
        }
    }

    fn take(&mut self, _cost: (), at: Instant) -> CallPermit {
        self.in_flight = self.in_flight.saturating_add(1);
        CallPermit {
            sent: at,
            in_flight: self.in_flight,
        }
    }

    fn cancel(&mut self, _permit: CallPermit, _now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    fn complete(&mut self, permit: CallPermit, feedback: Option<Outcome>, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let is_drop = match feedback {
            Some(Outcome::Succeeded) => false,
            Some(Outcome::Throttled | Outcome::Failed) => true,
            Some(Outcome::Ignored) | None => return,
        };
        self.formula.sample(Sample {
            now,
            latency: now.saturating_duration_since(permit.sent),
            in_flight: permit.in_flight,
            is_drop,
        });
    }

    fn describe(&self, snapshot: &mut Snapshot, _now: Instant) {
        snapshot.limit = Some(self.limit());
        snapshot.in_flight = Some(self.in_flight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::{Aimd, testing::start};

    const MS: Duration = Duration::from_millis(1);

    fn limit(initial: u32) -> InFlightLimit<Aimd> {
        InFlightLimit::new(Aimd::with(Bounds::new(initial, 1, 100).unwrap()))
    }

    #[test]
    fn only_so_many_are_in_flight() {
        let t0 = start();
        let mut limit = limit(2);
        let first = limit.take((), t0);
        assert_eq!(limit.check(&(), t0), Wait::Now);
        let second = limit.take((), t0);
        assert_eq!(limit.check(&(), t0), Wait::Changed);
        limit.cancel(first, t0);
        assert_eq!(limit.check(&(), t0), Wait::Now);
        limit.complete(second, None, t0);
        assert_eq!((limit.in_flight(), limit.limit()), (0, 2));
    }

    #[test]
    fn a_limit_below_what_is_in_flight_waits_for_calls_to_end() {
        let t0 = start();
        let mut limit = limit(10);
        let mut permits: Vec<_> = (0..10).map(|_| limit.take((), t0)).collect();
        let refused = permits.pop().unwrap();
        limit.complete(refused, Some(Outcome::Throttled), t0 + MS);
        assert_eq!((limit.in_flight(), limit.limit()), (9, 9));
        assert_eq!(limit.check(&(), t0 + MS), Wait::Changed);
    }

    #[test]
    fn a_call_that_says_nothing_is_no_sample() {
        let t0 = start();
        let mut limit = limit(1);
        for feedback in [None, Some(Outcome::Ignored)] {
            let permit = limit.take((), t0);
            limit.complete(permit, feedback, t0 + MS);
            assert_eq!(limit.limit(), 1);
        }
        let permit = limit.take((), t0);
        limit.complete(permit, Some(Outcome::Succeeded), t0 + MS);
        assert_eq!(limit.limit(), 2);
    }
}
