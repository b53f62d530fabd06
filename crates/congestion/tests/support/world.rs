//! A client and its server: a pure event loop.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tower_throttle_congestion::{Congestion, CongestionPermit, Estimator};
use tower_throttle_core::{Limiter, Outcome, Wait};

use super::ms;

/// One client that always has something to send, and a server that answers after a time that depends
/// on how many are in flight.
pub(crate) struct Loop<E> {
    pub(crate) limiter: Congestion<E>,
    pub(crate) now: Instant,
    /// By when they are over.
    calls: VecDeque<(Instant, CongestionPermit)>,
    answered: u32,
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

impl<E: Estimator> Loop<E> {
    pub(crate) fn new(limiter: Congestion<E>) -> Self {
        Self {
            limiter: limiter.seed(1),
            now: Instant::now(),
            calls: VecDeque::new(),
            answered: 0,
        }
    }

    /// Sends whatever may be sent for so long; each answer is what `answer` says of as many in flight.
    pub(crate) fn run(
        &mut self,
        time: Duration,
        answer: impl Fn(usize) -> (Duration, Outcome),
    ) -> u32 {
        let end = self.now + time;
        let before = self.answered;
        while self.now < end {
            match self.limiter.check(&(), self.now) {
                Wait::Now => self.send(&answer),
                Wait::Until(at) if self.calls.is_empty() => self.now = at,
                _ => self.finish(&answer),
            }
        }
        self.answered - before
    }

    fn send(&mut self, answer: &impl Fn(usize) -> (Duration, Outcome)) {
        let permit = self.limiter.take((), self.now);
        let (latency, _) = answer(self.calls.len() + 1);
        let over = self.now + latency;
        let place = self.calls.partition_point(|(at, _)| *at <= over);
        self.calls.insert(place, (over, permit));
    }

    fn finish(&mut self, answer: &impl Fn(usize) -> (Duration, Outcome)) {
        let (_, outcome) = answer(self.calls.len());
        let (at, permit) = self.calls.pop_front().unwrap();
        self.now = self.now.max(at);
        self.answered += u32::from(outcome == Outcome::Succeeded);
        self.limiter.complete(permit, Some(outcome), self.now);
    }
}

/// `slots` requests at once take 200 ms each; more wait.
pub(crate) fn queue(slots: usize) -> impl Fn(usize) -> (Duration, Outcome) {
    move |in_flight| {
        let load = in_flight.max(slots);
        let micros = u64::try_from(200_000 * load / slots).unwrap();
        (Duration::from_micros(micros), Outcome::Succeeded)
    }
}

/// Slows down from the first request on, and has the most throughput with half of `slots`.
pub(crate) fn slots(slots: u32) -> impl Fn(usize) -> (Duration, Outcome) {
    move |in_flight| {
        let load = f64::from(u32::try_from(in_flight).unwrap()) / f64::from(slots);
        let latency = ms(200).div_f64(1.0 - load.min(0.95));
        (latency, Outcome::Succeeded)
    }
}

pub(crate) fn always(latency: Duration, outcome: Outcome) -> impl Fn(usize) -> (Duration, Outcome) {
    move |_| (latency, outcome)
}
