use std::time::Instant;

use tower_throttle_core::{Limiter, Room, Snapshot, Wait};

/// At most `limit` requests in flight. Learns a new limit from a finished request, if it is told one.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    pub(crate) limit: u32,
    pub(crate) in_flight: u32,
}

impl Slots {
    pub(crate) const fn new(limit: u32) -> Self {
        Self {
            limit,
            in_flight: 0,
        }
    }
}

impl Limiter for Slots {
    type Cost = ();
    type Permit = ();
    type Feedback = Option<u32>;

    fn check(&self, _cost: &(), _now: Instant) -> Wait {
        if self.in_flight < self.limit {
            Wait::Now
        } else {
            Wait::Changed
        }
    }

    fn take(&mut self, _cost: (), _at: Instant) {
        self.in_flight += 1;
    }

    fn cancel(&mut self, _permit: (), _now: Instant) {
        self.in_flight -= 1;
    }

    fn complete(&mut self, _permit: (), feedback: Option<Option<u32>>, _now: Instant) {
        self.in_flight -= 1;
        if let Some(Some(limit)) = feedback {
            self.limit = limit;
        }
    }

    fn room(&self) -> Option<Room> {
        Some(Room {
            free: self.limit.saturating_sub(self.in_flight),
            in_flight: self.in_flight,
            era: 0,
        })
    }

    fn entered(&mut self, requests: u32, _era: u64) {
        self.in_flight += requests;
    }

    fn enter(_room: Room, _at: Instant) -> Option<()> {
        Some(())
    }

    fn describe(&self, snapshot: &mut Snapshot, _now: Instant) {
        snapshot.limit = Some(self.limit);
        snapshot.in_flight = Some(self.in_flight);
    }
}
