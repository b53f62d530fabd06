use std::time::{Duration, Instant};

use tower_throttle_core::{Acquire, Permit, Rejected, Shared, Snapshot};
use tower_throttle_retry_after::{Gate, SharedGate};

use crate::{Law, Paced};

/// A rate that adapts, and the gate beside it, which tasks share: the handle of a
/// [`PacedLayer`](crate::PacedLayer).
///
/// # Sharing
///
/// Clones share everything.
#[derive(Debug, Clone)]
pub struct SharedPaced<L: Law>(SharedGate<Paced<L>>);

impl<L: Law> SharedPaced<L> {
    pub(crate) const fn new(gate: SharedGate<Paced<L>>) -> Self {
        Self(gate)
    }

    /// What the law says at this moment, in tokens per second. The line runs at the rate of the latest
    /// send or end, until the next.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.update(|paced, now| paced.rate(now))
    }

    /// Lets nobody pass for so long. Those who wait wait on.
    pub fn pause(&self, pause: Duration) {
        self.0.pause(pause);
    }

    /// Ends a pause, whatever was said. Requests leave at the rate as it is.
    pub fn resume(&self) {
        self.0.shared().update(|(gate, paced), now| {
            gate.resume(now);
            paced.resume();
        });
    }

    /// When the next request may pass, if everybody waits now.
    #[must_use]
    pub fn resume_at(&self) -> Option<Instant> {
        self.0.resume_at()
    }

    /// Changes the limiter, or looks at it; see [`Shared::update`].
    pub fn update<R>(&self, change: impl FnOnce(&mut Paced<L>, Instant) -> R) -> R {
        self.0.update(change)
    }

    /// Takes a permit for a request of this cost, if it could be sent now and nobody waits.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the time after which it is worth asking again.
    pub fn try_acquire(&self, tokens: u32) -> Result<Permit<(Gate, Paced<L>)>, Rejected> {
        self.0.try_acquire(tokens)
    }

    /// Waits in line for a permit for a request of this cost.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if the wait would be too long, the line is full, or the server has asked for more
    /// than the cap.
    pub fn acquire(&self, tokens: u32) -> Acquire<(Gate, Paced<L>)> {
        self.0.acquire(tokens)
    }

    /// The state at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }

    /// The limiters and their line, for an adapter.
    #[must_use]
    pub const fn shared(&self) -> &Shared<(Gate, Paced<L>)> {
        self.0.shared()
    }
}
