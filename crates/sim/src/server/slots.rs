use std::time::Duration;

use super::{Arrival, Disclosure, Server, share};

/// Serves so many requests at a time, the slower the more there are, and refuses what comes above.
#[derive(Debug, Clone)]
pub struct Slots {
    slots: u32,
    in_flight: u32,
}

impl Slots {
    /// Nothing is in flight.
    #[must_use]
    pub const fn new(slots: u32) -> Self {
        Self {
            slots,
            in_flight: 0,
        }
    }
}

impl Server for Slots {
    fn arrive(&mut self, _now: Duration) -> Arrival {
        if self.in_flight >= self.slots {
            return Arrival::Refused;
        }
        self.in_flight += 1;
        Arrival::Accepted
    }

    fn depart(&mut self, _now: Duration) -> u32 {
        self.in_flight = self.in_flight.saturating_sub(1);
        0
    }

    fn resize(&mut self, slots: u32, _now: Duration) -> u32 {
        self.slots = slots;
        0
    }

    fn fullness(&self) -> f64 {
        share(self.in_flight, self.slots)
    }

    /// When a slot comes free, it doesn't know: it says a second.
    fn disclose(&mut self, _now: Duration) -> Disclosure {
        Disclosure {
            limit: self.slots,
            remaining: self.slots.saturating_sub(self.in_flight),
            reset: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn a_slot_is_free_again_once_its_request_is_done() {
        let mut server = Slots::new(1);
        assert_eq!(server.arrive(NOW), Arrival::Accepted);
        assert_eq!(server.arrive(NOW), Arrival::Refused);
        server.depart(NOW);
        assert_eq!(server.arrive(NOW), Arrival::Accepted);
    }
}
