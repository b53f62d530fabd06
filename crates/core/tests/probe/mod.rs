//! What the tests share: limiters with exact arithmetic, a ledger, and services that tell on whoever
//! breaks tower's contract.
#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

mod gate;
mod ledger;
mod service;
mod slots;
mod tokens;

use std::time::{Duration, Instant};

use tokio_test::{assert_pending, task};
use tower_throttle_core::{Acquire, Limiter, Shared};

pub(crate) use self::{
    gate::Gate,
    ledger::{Ledger, Recorded},
    service::{Probe, ProbeHandle, Stuck},
    slots::Slots,
    tokens::Tokens,
};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Moves the paused clock in one jump, and lets the timers that it passes ring.
pub(crate) async fn jump(by: Duration) {
    tokio::time::advance(by).await;
    settle().await;
}

/// Lets every task that can run do so. The clock does not move.
pub(crate) async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn now() -> Instant {
    tower_throttle_core::now()
}

/// Requests for permits, each on a task of its own that polled it once.
pub(crate) type InLine<L> = Vec<task::Spawn<Acquire<L>>>;

/// One after the other, requests of these costs join the line.
pub(crate) fn join<L: Limiter>(
    shared: &Shared<L>,
    costs: impl IntoIterator<Item = L::Cost>,
) -> InLine<L> {
    let line = costs.into_iter().map(|cost| {
        let mut acquire = task::spawn(shared.acquire(cost));
        assert_pending!(acquire.poll());
        acquire
    });
    line.collect()
}

/// How many of them have something to look at.
pub(crate) fn woken<L: Limiter>(line: &InLine<L>) -> usize {
    line.iter().filter(|acquire| acquire.is_woken()).count()
}

/// A number from a seed: what a task does next. (SplitMix64.)
pub(crate) fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
