use std::time::Instant;

use tower_throttle_core::{Limiter, Outcome, Report, Room, Snapshot, Wait};

use super::{Congestion, CongestionPermit};
use crate::{Estimator, Probe, Sample};

impl<E: Estimator> Congestion<E> {
    fn is_telling(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Ignored => false,
            Outcome::Throttled => !self.beside_rate,
            Outcome::Succeeded | Outcome::Failed => true,
        }
    }

    fn learn(&mut self, permit: &CongestionPermit, outcome: Outcome, now: Instant) {
        let sample = Sample::new(permit.started, now, permit.in_flight, outcome);
        let (limit, bounds) = (self.limit.exact(), self.limit.effective());
        let was_probing = self.estimator.probe().is_some();
        if let Some(change) = self.estimator.learn(&sample, limit, bounds) {
            self.change(change.cause, |it| it.learnt(change.limit));
        }
        if !was_probing && self.estimator.probe().is_some() {
            self.begin_era();
        }
    }

    /// Ends a call, of which the outcome tells something if there is one.
    #[inline]
    pub(crate) fn end(
        &mut self,
        permit: &CongestionPermit,
        telling: Option<Outcome>,
        now: Instant,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.latest = Some(now);
        self.end_probe(now);
        if permit.era == self.era {
            self.current = self.current.saturating_sub(1);
            if let Some(outcome) = telling {
                self.learn(permit, outcome, now);
            }
            self.end_probe(now);
        }
        self.limit.round();
    }

    /// Ends the probe whose time is up, or whose last call is over.
    fn end_probe(&mut self, now: Instant) {
        let Some(probe) = self.estimator.probe() else {
            return;
        };
        let is_answered = probe.at_most == 0 && self.current == 0;
        if is_answered || now >= probe.ends_at {
            self.estimator.end_probe(now);
        }
    }

    /// When one may pass while a probe is under way.
    #[cold]
    fn check_probe(&self, probe: &Probe, now: Instant) -> Wait {
        let at = if self.current >= probe.at_most {
            probe.ends_at
        } else {
            probe.resume_at.min(probe.ends_at)
        };
        Wait::until(at, now)
    }
}

impl<E: Estimator> Limiter for Congestion<E> {
    type Cost = ();
    type Permit = CongestionPermit;
    type Feedback = Outcome;

    fn check(&self, _cost: &(), now: Instant) -> Wait {
        if self.in_flight >= self.limit.allowed() {
            return Wait::Changed;
        }
        let probe = self.estimator.probe();
        probe.map_or(Wait::Now, |probe| self.check_probe(&probe, now))
    }

    fn take(&mut self, _cost: (), at: Instant) -> CongestionPermit {
        self.end_probe(at);
        self.in_flight = self.in_flight.saturating_add(1);
        self.current = self.current.saturating_add(1);
        CongestionPermit {
            // A grant may be dated back; it can't have been sent before there was room for it.
            started: self.latest.map_or(at, |latest| latest.max(at)),
            in_flight: self.in_flight,
            era: self.era,
        }
    }

    fn cancel(&mut self, permit: CongestionPermit, now: Instant) {
        self.complete(permit, None, now);
    }

    fn complete(&mut self, permit: CongestionPermit, outcome: Option<Outcome>, now: Instant) {
        let telling = outcome.filter(|&outcome| self.is_telling(outcome));
        self.end(&permit, telling, now);
    }

    /// When a call ends, nobody knows; when a probe goes on, is known.
    fn predict(&self, _ahead: (), _cost: &(), now: Instant) -> Wait {
        let probe = self.estimator.probe();
        let resumes = probe.map(|probe| probe.resume_at.min(probe.ends_at));
        match resumes.map(|at| Wait::until(at, now)) {
            Some(Wait::Until(at)) => Wait::Until(at),
            _ => Wait::Changed,
        }
    }

    /// Nobody knows how long it would have taken.
    fn given_up(outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Succeeded => Outcome::Ignored,
            other => other,
        }
    }

    /// While there is a probe, [`check`](Limiter::check) is asked.
    fn room(&self) -> Option<Room> {
        if self.estimator.probe().is_some() {
            return None;
        }
        Some(Room {
            free: self.limit.allowed().saturating_sub(self.in_flight),
            in_flight: self.in_flight,
            era: self.era,
        })
    }

    fn entered(&mut self, requests: u32, era: u64) {
        self.in_flight = self.in_flight.saturating_add(requests);
        if era == self.era {
            self.current = self.current.saturating_add(requests);
        }
    }

    fn enter(room: Room, at: Instant) -> Option<CongestionPermit> {
        Some(CongestionPermit {
            started: at,
            in_flight: room.in_flight,
            era: room.era,
        })
    }

    fn describe(&self, snapshot: &mut Snapshot, _now: Instant) {
        snapshot.limit = Some(self.limit());
        snapshot.in_flight = Some(self.in_flight);
    }

    fn report(&mut self) -> Option<Report> {
        self.news.take()
    }
}
