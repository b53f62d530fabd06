use std::time::Duration;

use super::{Arrival, Disclosure, Server, share};

/// Serves so many requests at a time, and never refuses: what comes above stands in line, first come,
/// first served, and there is no end to the line.
#[derive(Debug, Clone)]
pub struct Queueing {
    slots: u32,
    in_service: u32,
    waiting: u32,
}

impl Queueing {
    /// Nothing is in service.
    #[must_use]
    pub const fn new(slots: u32) -> Self {
        Self {
            slots,
            in_service: 0,
            waiting: 0,
        }
    }

    fn begin(&mut self) -> u32 {
        let free = self.slots.saturating_sub(self.in_service);
        let begin = free.min(self.waiting);
        self.waiting -= begin;
        self.in_service += begin;
        begin
    }
}

impl Server for Queueing {
    fn arrive(&mut self, _now: Duration) -> Arrival {
        if self.in_service < self.slots {
            self.in_service += 1;
            return Arrival::Accepted;
        }
        self.waiting += 1;
        Arrival::Queued
    }

    fn depart(&mut self, _now: Duration) -> u32 {
        self.in_service = self.in_service.saturating_sub(1);
        self.begin()
    }

    fn resize(&mut self, slots: u32, _now: Duration) -> u32 {
        self.slots = slots;
        self.begin()
    }

    fn fullness(&self) -> f64 {
        share(self.in_service, self.slots)
    }

    fn disclose(&mut self, _now: Duration) -> Disclosure {
        Disclosure {
            limit: self.slots,
            remaining: self.slots.saturating_sub(self.in_service),
            reset: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn nobody_is_refused_and_each_departure_lets_one_begin() {
        let mut server = Queueing::new(1);
        let arrivals = [(); 3].map(|()| server.arrive(NOW));

        use Arrival::{Accepted, Queued};
        assert_eq!(arrivals, [Accepted, Queued, Queued]);
        assert_eq!([(); 4].map(|()| server.depart(NOW)), [1, 1, 0, 0]);
    }

    #[test]
    fn more_slots_let_those_in_line_begin_at_once_and_fewer_let_none() {
        let mut server = Queueing::new(1);
        for _ in 0..4 {
            server.arrive(NOW);
        }
        assert_eq!(server.resize(3, NOW), 2);
        assert_eq!(server.resize(1, NOW), 0);
        assert_eq!(
            [server.depart(NOW), server.depart(NOW), server.depart(NOW)],
            [0, 0, 1]
        );
    }
}
