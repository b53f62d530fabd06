use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tower_throttle_core::{Acquire, Limiter, Permit, Queue, Rejected, Shared, Snapshot};
use tower_throttle_jitter::Generator;

use super::{Gate, settings::Settings};

/// A [`Gate`] that tasks share, and the limiter beside it: the handle of a
/// [`RetryAfterLayer`](crate::RetryAfterLayer).
///
/// ```
/// use std::time::Duration;
/// use tower_throttle_retry_after::RetryAfterLayer;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let layer = RetryAfterLayer::new();
/// let gate = layer.limiter();
///
/// gate.pause(Duration::from_secs(30)); // everybody who shares the layer waits
/// assert!(gate.resume_at().is_some());
/// gate.resume();
/// assert_eq!(gate.resume_at(), None);
/// # }
/// ```
///
/// # Sharing
///
/// Clones share everything.
#[derive(Debug, Clone)]
pub struct SharedGate<L: Limiter = ()> {
    shared: Shared<(Gate, L)>,
    plan: Plan<L>,
}

/// What a gate is made of, so that a setter can make another one.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan<L> {
    pub(super) gate: Settings,
    /// The stream to draw from; `None` for the next one of the process.
    pub(super) seed: Option<u64>,
    /// Not used yet.
    pub(super) limiter: L,
    pub(super) queue: Queue,
    pub(super) name: Option<Arc<str>>,
}

impl<L> Plan<L> {
    /// The same with another limiter beside the gate.
    pub(super) fn beside<M>(self, limiter: M) -> Plan<M> {
        Plan {
            gate: self.gate,
            seed: self.seed,
            limiter,
            queue: self.queue,
            name: self.name,
        }
    }
}

impl<L: Limiter> SharedGate<L> {
    /// Closes the gate for so long; see [`Gate::pause`]. Those who wait wait on.
    pub fn pause(&self, pause: Duration) {
        self.shared.update(|(gate, _), now| gate.pause(pause, now));
    }

    /// Opens the gate, whatever was said. All who wait for it leave at once.
    pub fn resume(&self) {
        self.shared.update(|(gate, _), now| gate.resume(now));
    }

    /// When the next request will pass the gate, jitter included; `None` if one would pass now. See
    /// [`Gate::resume_at`].
    #[must_use]
    pub fn resume_at(&self) -> Option<Instant> {
        self.snapshot().resume_at
    }

    /// Changes the limiter beside the gate, or looks at it; see [`Shared::update`].
    pub fn update<R>(&self, change: impl FnOnce(&mut L, Instant) -> R) -> R {
        self.shared.update(|(_, limiter), now| change(limiter, now))
    }

    /// Takes a permit for a request of this cost, if it could be sent now and nobody waits.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the time after which it is worth asking again.
    pub fn try_acquire(&self, cost: L::Cost) -> Result<Permit<(Gate, L)>, Rejected> {
        self.shared.try_acquire(((), cost))
    }

    /// Waits in line for a permit for a request of this cost.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if the wait would be too long, the line is full, or the server has asked for more
    /// than the cap.
    pub fn acquire(&self, cost: L::Cost) -> Acquire<(Gate, L)> {
        self.shared.acquire(((), cost))
    }

    /// The state at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// The limiters and their line, for an adapter.
    #[must_use]
    pub const fn shared(&self) -> &Shared<(Gate, L)> {
        &self.shared
    }

    pub(super) fn plan(self) -> Plan<L> {
        self.plan
    }

    pub(super) fn name(mut self, name: Arc<str>) -> Self {
        self.shared.set_name(Arc::clone(&name));
        self.plan.name = Some(name);
        self
    }
}

impl<L: Limiter + Clone> SharedGate<L> {
    pub(super) fn of(plan: Plan<L>) -> Self {
        let generator = plan.seed.map_or_else(Generator::new, Generator::seeded);
        let gate = Gate::new().with(plan.gate).generator(generator);
        let shared = Shared::with_queue((gate, plan.limiter.clone()), plan.queue);
        if let Some(name) = &plan.name {
            shared.set_name(Arc::clone(name));
        }
        Self { shared, plan }
    }
}
