//! What the tests share: limiters with exact arithmetic, a ledger, and services that tell on whoever
//! breaks tower's contract.
#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

mod gate;
mod ledger;
mod service;
mod slots;
mod tokens;

use std::time::{Duration, Instant};

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
