use std::time::{Duration, Instant};

use tower_throttle_core::Wait;

use super::settings::later;

/// How many times as fast as evenly over the spread the second request follows the first.
const STEEPNESS: u32 = 8;

/// An extension is worth telling if it is this long: servers count in seconds, and the answers to
/// requests that were sent together say nearly the same.
const NEWSWORTHY: Duration = Duration::from_secs(1);

/// One time that the gate is closed: until when, and how it opens again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closure {
    since: Instant,
    /// The latest end that was said.
    until: Instant,
    told: Instant,
    spread: Duration,
    /// Which part of the spread the first request waits for in addition.
    lead: f64,
    refuses: bool,
    opens_at: Instant,
    /// When the next request may pass.
    next: Instant,
    released: u32,
    opened: bool,
}

/// A request that the [`Gate`](crate::Gate) let pass.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct GatePermit {
    /// When, if the gate was about to open.
    at: Option<Instant>,
}

impl Closure {
    pub(super) fn new(
        since: Instant,
        until: Instant,
        spread: Duration,
        lead: f64,
        refuses: bool,
    ) -> Self {
        let opens_at = later(until, spread.mul_f64(lead));
        Self {
            since,
            until,
            told: until,
            spread,
            lead,
            refuses,
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
    pub(super) fn extend(&mut self, until: Instant, spread: Duration, refuses: bool) -> bool {
        self.until = self.until.max(until);
        self.spread = self.spread.max(spread);
        let opens_at = later(self.until, self.spread.mul_f64(self.lead));
        *self = self.not_before(Some(opens_at));
        let newsworthy = refuses && !self.refuses || self.until >= later(self.told, NEWSWORTHY);
        self.refuses |= refuses;
        if newsworthy {
            self.told = self.until;
        }
        newsworthy
    }

    pub(super) fn check(&self, now: Instant) -> Wait {
        if self.refuses && now < self.until {
            Wait::Refuse(self.until)
        } else {
            Wait::until(self.next, now)
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

    pub(super) fn opens_at(&self) -> Instant {
        self.opens_at
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }
}
