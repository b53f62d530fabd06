use std::time::Duration;

use super::{Config, What, slice};
use crate::server::Kind;

/// What a server can do at most, at one time.
#[derive(Debug, Clone)]
pub(super) struct Capacity {
    kind: Kind,
    quota: u32,
    window: Duration,
    /// How many times slower than at the beginning.
    factor: f64,
}

impl Capacity {
    /// At the beginning of each slice.
    pub(super) fn per_slice(config: &Config, slices: usize) -> Vec<Self> {
        let mut changes = config.changes_in_order().into_iter().peekable();
        let (mut at, mut capacity) = (Duration::ZERO, Self::of(config));
        let mut capacities = Vec::with_capacity(slices);
        for _ in 0..slices {
            while let Some(change) = changes.next_if(|change| change.at <= at) {
                capacity.change(change.what);
            }
            capacities.push(capacity.clone());
            at += slice(config.window);
        }
        capacities
    }

    /// How many requests it lets in. A quota doesn't care how long they take.
    pub(super) fn per_second(&self) -> f64 {
        let rate = self.kind.rate(self.quota, self.window).as_per_second_f64();
        match self.kind.slots() {
            Some(_) => rate / self.factor,
            None => rate,
        }
    }

    /// How many requests it serves at a time, if it has slots.
    pub(super) fn slots(&self) -> Option<f64> {
        self.kind.slots().map(f64::from)
    }

    fn of(config: &Config) -> Self {
        Self {
            kind: config.server,
            quota: config.quota,
            window: config.window,
            factor: 1.0,
        }
    }

    fn change(&mut self, what: What) {
        match what {
            What::Size(size) => (self.quota, self.kind) = (size, self.kind.resized(size)),
            What::Latency(factor) => self.factor = factor,
            What::Join(_) | What::Leave(_) => {}
        }
    }
}
