use std::time::{Duration, Instant};

use tower_throttle_core::Wait;

use super::settings::{Closing, later};

/// How many times as fast as evenly over the spread the second request follows the first.
const STEEPNESS: u32 = 8;

/// An end that is put off is worth telling if it is by this much: servers count in seconds, and the
/// answers to requests that were sent together say nearly the same.
const NEWSWORTHY: Duration = Duration::from_secs(1);

/// One time that the gate is closed: until when, and how it opens again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closure {
    since: Instant,
    ends: Ends,
    /// What somebody was told of that.
    told: Ends,
    spread: Duration,
    /// Which part of the spread the first request waits for in addition.
    lead: f64,
    opens_at: Instant,
    /// When the next request may pass.
    next: Instant,
    released: u32,
    opened: bool,
}

/// How far the words reach, each end by the word that reaches furthest.
#[derive(Debug, Clone, Copy)]
struct Ends {
    /// Nobody passes before.
    until: Instant,
    /// Nobody was to pass before.
    asked: Instant,
    /// Requests are refused before, if they are.
    refuses: Option<Instant>,
}

/// A request that the [`Gate`](crate::Gate) let pass.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct GatePermit {
    /// When, if the gate was about to open.
    at: Option<Instant>,
}

impl Closure {
    pub(super) fn new(closing: &Closing, spread: Duration, lead: f64, now: Instant) -> Self {
        let ends = Ends::of(closing, now);
        let opens_at = later(ends.until, spread.mul_f64(lead));
        Self {
            since: now,
            ends,
            told: ends,
            spread,
            lead,
            opens_at,
            next: opens_at,
            released: 0,
            opened: false,
        }
    }

    /// Keeps those waiting who would have passed later than this anyway.
    pub(super) fn not_before(mut self, earliest: Option<Instant>) -> Self {
        self.opens_at = earliest.map_or(self.opens_at, |earliest| earliest.max(self.opens_at));
        self.next = self.next.max(self.opens_at);
        self
    }

    /// Another word, while nobody has passed yet. Returns whether it is worth telling.
    ///
    /// The lead stays as it was drawn, so that a burst of equal words does not move the end about.
    pub(super) fn extend(&mut self, closing: &Closing, spread: Duration, now: Instant) -> bool {
        self.ends = self.ends.max(Ends::of(closing, now));
        self.spread = self.spread.max(spread);
        let opens_at = later(self.ends.until, self.spread.mul_f64(self.lead));
        *self = self.not_before(Some(opens_at));
        let newsworthy = self.ends.are_news_after(&self.told);
        if newsworthy {
            self.told = self.ends;
        }
        newsworthy
    }

    pub(super) fn check(&self, now: Instant) -> Wait {
        match self.ends.refuses.filter(|end| now < *end) {
            // Whoever comes back at the end of the pause would wait for the gate to open.
            Some(_) => Wait::Refuse(self.next),
            None => Wait::until(self.next, now),
        }
    }

    /// Lets a request pass, and sets the gap after it.
    pub(super) fn release(&mut self, at: Instant, unit: f64) -> GatePermit {
        self.released = self.released.saturating_add(1);
        let gap = self.spread / self.released.saturating_mul(STEEPNESS);
        self.next = later(at, gap.mul_f64(0.5 + unit));
        GatePermit { at: Some(at) }
    }

    /// The request that passed was never sent: another one may pass in its place.
    pub(super) fn take_back(&mut self, permit: &GatePermit) {
        if let Some(at) = permit.at.filter(|at| *at >= self.opens_at) {
            self.released = self.released.saturating_sub(1);
            self.next = self.next.min(at);
        }
    }

    pub(super) fn is_shut(&self, now: Instant) -> bool {
        now < self.opens_at
    }

    /// Whether this is the first time that anybody passes.
    pub(super) fn opens(&mut self) -> bool {
        !std::mem::replace(&mut self.opened, true)
    }

    /// Whether the gate is wide open for one who passes at `at`: he has not waited for it.
    pub(super) fn is_over(&self, at: Instant) -> bool {
        at > self.next && at >= later(self.opens_at, self.spread)
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }
}

impl Ends {
    fn of(closing: &Closing, now: Instant) -> Self {
        let until = later(now, closing.pause);
        Self {
            until,
            asked: later(now, closing.asked),
            refuses: closing.refuses.then_some(until),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            until: self.until.max(other.until),
            asked: self.asked.max(other.asked),
            refuses: self.refuses.max(other.refuses),
        }
    }

    /// A shortened pause puts off what was asked for, if nothing else.
    fn are_news_after(&self, told: &Self) -> bool {
        let put_off = |end, told| end >= later(told, NEWSWORTHY);
        let refuses = match (self.refuses, told.refuses) {
            (Some(end), Some(told)) => put_off(end, told),
            (end, _) => end.is_some(),
        };
        refuses || put_off(self.until, told.until) || put_off(self.asked, told.asked)
    }
}
