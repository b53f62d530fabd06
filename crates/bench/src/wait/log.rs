//! Who was let through, when, and before whom.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

/// Written by the waiting tasks: a few nanoseconds for each grant, and a clock read for some.
pub(crate) struct Log {
    start: Instant,
    /// Numbers drawn so far: one for each wait, in the order of arrival.
    drawn: AtomicU32,
    /// Grants so far.
    granted: AtomicUsize,
    /// The number of the waiter, for each grant.
    tickets: Box<[AtomicU32]>,
    /// Nanoseconds since the start, for each `STRIDE`th grant.
    stamps: Box<[AtomicU64]>,
    stride: usize,
}

impl Log {
    /// With room for `capacity` grants, `rate` of which come in a second.
    pub(crate) fn new(capacity: usize, rate: u32) -> Self {
        let stride = (rate as usize / 10_000).next_power_of_two();
        Self {
            start: Instant::now(),
            drawn: AtomicU32::new(0),
            granted: AtomicUsize::new(0),
            tickets: (0..capacity).map(|_| AtomicU32::new(0)).collect(),
            stamps: (0..=capacity / stride).map(|_| AtomicU64::new(0)).collect(),
            stride,
        }
    }

    pub(crate) fn draw(&self) -> u32 {
        self.drawn.fetch_add(1, Relaxed)
    }

    pub(crate) fn grant(&self, ticket: u32) {
        let index = self.granted.fetch_add(1, Relaxed);
        if let Some(slot) = self.tickets.get(index) {
            slot.store(ticket, Relaxed);
            if index & (self.stride - 1) == 0 {
                let nanos = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
                self.stamps[index / self.stride].store(nanos, Relaxed);
            }
        }
    }

    /// Grants so far, as many as there was room for.
    pub(crate) fn granted(&self) -> usize {
        self.granted.load(Relaxed).min(self.tickets.len())
    }

    /// The numbers of the waiters, in the order of their grants.
    pub(crate) fn tickets(&self) -> impl Iterator<Item = u32> {
        self.tickets[..self.granted()]
            .iter()
            .map(|ticket| ticket.load(Relaxed))
    }

    /// Grants and the second at which each came, from one grant to another.
    pub(crate) fn stamps(&self, from: usize, to: usize) -> Vec<(f64, f64)> {
        let indexes = from.div_ceil(self.stride)..to.div_ceil(self.stride);
        let stamp = |i: usize| self.stamps[i].load(Relaxed) as f64 / 1e9;
        indexes
            .map(|i| ((i * self.stride) as f64, stamp(i)))
            .collect()
    }
}
