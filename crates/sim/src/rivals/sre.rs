use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tower_throttle_core::{Invalid, Limiter, Outcome, Wait};
use tower_throttle_jitter::Generator;

/// What is remembered: the last two minutes.
const HISTORY: Duration = Duration::from_secs(120);

/// Google's adaptive throttling: refuses requests itself once the server refuses too many.
///
/// Of the last two minutes it counts the `requests` that the application made, those it refused
/// itself among them, and the `accepts` of the server. It refuses a request with probability
///
/// ```text
/// max(0, (requests − K · accepts) / (requests + 1))
/// ```
///
/// *Site Reliability Engineering* (2016), chapter 21, equation 21-1. The book suggests K = 2, which
/// lets the server refuse one request for each that it accepts, and names 1.1, one for each ten. (The
/// formula, the two minutes and K were checked where others cite them: go-zero issue 5011 and Apache
/// Beam's `adaptive_throttler`; the book's own page could not be had.)
///
/// # Telling it of its refusals
///
/// A limiter isn't told that somebody was refused on its word. After each
/// [`Rejected`](tower_throttle_core::Rejected) for [`Closed`](tower_throttle_core::Why::Closed), call
/// [`refused`](Self::refused) through [`Shared::update`](tower_throttle_core::Shared::update), or the
/// next request is judged by the same draw.
#[derive(Debug)]
pub struct Sre {
    k: f64,
    requests: History,
    accepts: History,
    /// Decides on the next request.
    draw: f64,
    generator: Generator,
}

impl Sre {
    /// Accepts everything at first. `k` is 2 in the book.
    ///
    /// # Errors
    ///
    /// If `k` is below 1 or not finite.
    pub fn new(k: f64, mut generator: Generator) -> Result<Self, Invalid> {
        if !(k.is_finite() && k >= 1.0) {
            return Err(Invalid::new("k", k, "at least 1 and finite"));
        }
        Ok(Self {
            k,
            requests: History::default(),
            accepts: History::default(),
            draw: generator.unit(),
            generator,
        })
    }

    /// A request was refused on the word of this limiter.
    pub fn refused(&mut self, now: Instant) {
        self.requests.add(now);
        self.draw = self.generator.unit();
    }

    /// The probability that a request is refused here.
    #[must_use]
    pub fn probability(&self, now: Instant) -> f64 {
        let requests = self.requests.count(now);
        let accepts = self.accepts.count(now);
        ((requests - self.k * accepts) / (requests + 1.0)).max(0.0)
    }
}

/// It refuses, and nobody waits; so it may take back its word as time passes.
impl Limiter for Sre {
    type Cost = ();
    type Permit = ();
    type Feedback = Outcome;

    fn check(&self, _cost: &(), now: Instant) -> Wait {
        if self.draw < self.probability(now) {
            Wait::Refuse(now)
        } else {
            Wait::Now
        }
    }

    fn take(&mut self, _cost: (), at: Instant) {
        self.requests.add(at);
        self.draw = self.generator.unit();
    }

    fn cancel(&mut self, _permit: (), _now: Instant) {
        self.requests.remove_last();
    }

    /// Whatever isn't refused, or failed, was accepted.
    fn complete(&mut self, _permit: (), feedback: Option<Outcome>, now: Instant) {
        if matches!(feedback, Some(Outcome::Succeeded | Outcome::Ignored)) {
            self.accepts.add(now);
        }
    }
}

/// When something happened, of late.
#[derive(Debug, Default)]
struct History(VecDeque<Instant>);

impl History {
    fn add(&mut self, now: Instant) {
        let past = self.past(now);
        self.0.drain(..past);
        let last = self.0.back().copied();
        self.0.push_back(last.map_or(now, |last| last.max(now)));
    }

    fn remove_last(&mut self) {
        self.0.pop_back();
    }

    fn count(&self, now: Instant) -> f64 {
        let count = u32::try_from(self.0.len() - self.past(now));
        f64::from(count.unwrap_or(u32::MAX))
    }

    /// How many happened too long ago.
    fn past(&self, now: Instant) -> usize {
        self.0
            .partition_point(|&at| now.saturating_duration_since(at) >= HISTORY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::testing::start;

    fn sre(k: f64) -> Sre {
        Sre::new(k, Generator::seeded(7)).unwrap()
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn the_probability_is_that_of_the_book() {
        let t0 = start();
        let mut sre = sre(2.0);
        assert!(near(sre.probability(t0), 0.0));
        (0..10).for_each(|_| sre.take((), t0));
        (0..4).for_each(|_| sre.complete((), Some(Outcome::Succeeded), t0));
        (0..6).for_each(|_| sre.complete((), Some(Outcome::Throttled), t0));
        assert!(near(sre.probability(t0), 2.0 / 11.0));
    }

    #[test]
    fn what_it_refused_itself_counts_as_a_request() {
        let t0 = start();
        let mut sre = sre(1.1);
        (0..3).for_each(|_| sre.refused(t0));
        assert!(near(sre.probability(t0), 3.0 / 4.0));
    }

    #[test]
    fn what_is_two_minutes_old_is_forgotten() {
        let t0 = start();
        let mut sre = sre(2.0);
        (0..10).for_each(|_| sre.take((), t0));
        let just_before = t0 + HISTORY - Duration::from_nanos(1);
        assert!(near(sre.probability(just_before), 10.0 / 11.0));
        assert!(near(sre.probability(t0 + HISTORY), 0.0));
    }

    #[test]
    fn it_refuses_as_often_as_it_should() {
        let t0 = start();
        let mut sre = sre(2.0);
        let mut refused = 0.0;
        let mut expected = 0.0;
        for request in 0..10_000_u64 {
            let now = t0 + Duration::from_millis(100 * request);
            expected += sre.probability(now);
            match sre.check(&(), now) {
                Wait::Now => sre.take((), now),
                _ => {
                    refused += 1.0;
                    sre.refused(now);
                }
            }
            if request % 5 == 0 {
                sre.complete((), Some(Outcome::Succeeded), now);
            }
        }
        // Of independent draws the sum strays by more than 5 · √(n/4) with probability 6 · 10⁻⁷.
        let deviation: f64 = refused - expected;
        assert!(deviation.abs() < 250.0, "{refused} of {expected}");
        assert!(refused > 5000.0);
    }

    #[test]
    fn a_factor_below_one_would_refuse_a_healthy_server() {
        assert!(Sre::new(0.9, Generator::seeded(1)).is_err());
        assert!(Sre::new(f64::NAN, Generator::seeded(1)).is_err());
    }
}
