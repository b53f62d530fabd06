use std::time::{Duration, Instant};

use tower_throttle_jitter::Delays;

use super::{
    attempts::{Attempts, GivenUp, Retried},
    kind::Kind,
    settings::Settings,
    told::Told,
};
use crate::Replay;

/// What belongs to one request and its retries.
#[derive(Debug)]
pub(super) struct Session {
    /// Only a deadline asks for it.
    started: Option<Instant>,
    own: Option<Own>,
    retries: Vec<Retried>,
    /// It was asked to wait for a moment, and went back at once.
    hurried: bool,
    /// What the last retry cost.
    pub(super) cost: Option<u32>,
}

/// Our own delays, by where they start from.
#[derive(Debug)]
struct Own {
    delays: Delays,
    throttled: Delays,
}

impl Session {
    pub(super) fn start(settings: &Settings) -> Self {
        Self {
            started: settings.deadline.map(|_| tower_throttle_core::now()),
            own: None,
            retries: Vec::new(),
            hurried: false,
            cost: None,
        }
    }

    /// Our own delay before the next retry. Both kinds grow with each retry, of whichever kind it was.
    pub(super) fn own_delay(&mut self, settings: &Settings, kind: Kind) -> Duration {
        let own = self.own.get_or_insert_with(|| Own {
            delays: settings.backoff.start(),
            throttled: settings.throttled_backoff.start(),
        });
        let (delay, throttled) = (own.delays.next_delay(), own.throttled.next_delay());
        match kind {
            Kind::Throttled => throttled,
            Kind::Transient | Kind::Refused => delay,
        }
    }

    /// How long to wait if a limiter further in has heard the same. What may be mere rounding is left to
    /// it, but only once: it may have been that limiter itself that answered.
    pub(super) fn wait_beside_a_limiter(&mut self, told: &Told) -> Duration {
        if told.is_rounded() && !std::mem::replace(&mut self.hurried, true) {
            return Duration::ZERO;
        }
        told.wait_beside_a_limiter()
    }

    /// Starts our own delays over.
    pub(super) fn begin_anew(&mut self) {
        self.own = None;
    }

    /// Makes sure of a retry after a wait of at least this. What has an effect elsewhere comes last.
    pub(super) fn pay(
        &mut self,
        settings: &Settings,
        kind: Kind,
        wait: Duration,
        body: &mut impl Replay,
    ) -> Result<(), GivenUp> {
        if self.would_be_late(settings, wait) {
            return Err(GivenUp::Deadline);
        }
        let cost = settings.budget.cost(kind);
        if !settings.budget.spend(cost) {
            return Err(GivenUp::Budget);
        }
        if !body.claim() {
            settings.budget.refund(cost);
            return Err(GivenUp::Body);
        }
        self.cost = Some(cost);
        Ok(())
    }

    fn would_be_late(&self, settings: &Settings, wait: Duration) -> bool {
        let deadline = self.started.zip(settings.deadline);
        deadline.is_some_and(|(started, deadline)| {
            let elapsed = tower_throttle_core::now().saturating_duration_since(started);
            elapsed.saturating_add(wait) > deadline
        })
    }

    pub(super) fn retries(&self) -> usize {
        self.retries.len()
    }

    pub(super) fn retried(&mut self, retried: Retried) {
        self.retries.push(retried);
    }

    /// What there is to tell about a response, if anything.
    pub(super) fn end(&mut self, given_up: Option<GivenUp>) -> Option<Attempts> {
        let retries = std::mem::take(&mut self.retries);
        let notable = !retries.is_empty() || given_up.is_some();
        notable.then_some(Attempts { retries, given_up })
    }
}
