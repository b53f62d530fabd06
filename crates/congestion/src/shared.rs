use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tower_throttle_core::{Acquire, Permit, Queue, Rejected, Shared, Snapshot};

use crate::{Cause, Congestion, Estimator, Gradient, meeting};

/// A [`Congestion`] limit that tasks share: the handle of a
/// [`CongestionLayer`](crate::CongestionLayer), or a limit without tower at all.
///
/// ```
/// use tower_throttle_congestion::SharedCongestion;
/// use tower_throttle_core::Outcome;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), tower_throttle_core::Rejected> {
/// let limit = SharedCongestion::new().start(2);
///
/// let call = limit.acquire().await?.spend(); // sent
/// assert_eq!(limit.in_flight(), 1);
/// call.complete(Outcome::Succeeded); // and over
///
/// let _first = limit.try_acquire()?;
/// let _second = limit.try_acquire()?;
/// assert!(limit.try_acquire().is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Sharing
///
/// Clones share everything. A setter that shapes the limiter makes a new one that nobody shares yet:
/// call it before cloning.
///
/// # Fairness
///
/// First come, first served.
///
/// # Cancel safety
///
/// Dropping [`acquire`](Self::acquire) leaves the line; a permit that is dropped unused, or a call that
/// is dropped in flight, gives its place back and counts as nothing.
///
/// # Runtimes
///
/// Whoever waits must be polled on a tokio runtime with its timer enabled: a [`max_wait`](Self::max_wait) and the end
/// of a [probe](crate::Probe) are instants that somebody has to wait for. Elsewhere that panics, and as probes are rare,
/// it may be late. See [`Shared`](tower_throttle_core::Shared).
#[derive(Debug, Clone)]
pub struct SharedCongestion<E: Estimator = Gradient> {
    shared: Shared<Congestion<E>>,
    plan: Plan<E>,
}

/// What the limiter was made of, so that a setter can make another one.
#[derive(Debug, Clone)]
pub(crate) struct Plan<E> {
    /// Not used yet.
    pub(crate) limiter: Congestion<E>,
    pub(crate) queue: Queue,
    pub(crate) name: Option<Arc<str>>,
}

impl SharedCongestion {
    /// Finds the limit by [`Gradient`]; starts at 20, and stays within 1 and 200.
    ///
    /// Clients of one server probe it together, by the clock of the wall: see [`meeting`]. For runs that
    /// can be repeated, in tests say, leave the clock out of it: `with(Gradient::new())`, and a
    /// [`seed`](Self::seed).
    #[must_use]
    pub fn new() -> Self {
        Self::with(Gradient::new().meeting(meeting()))
    }
}

impl Default for SharedCongestion {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Estimator + Clone> SharedCongestion<E> {
    /// Finds the limit by `estimator`; starts at 20, and stays within 1 and 200.
    #[must_use]
    pub fn with(estimator: E) -> Self {
        Self::of(Plan {
            limiter: Congestion::with(estimator),
            queue: Queue::new(),
            name: None,
        })
    }

    /// The limit at the start: see [`Congestion::start`]. Default: 20.
    #[must_use]
    pub fn start(self, limit: u32) -> Self {
        self.replanned(|plan| plan.limiter = plan.limiter.clone().start(limit))
    }

    /// The lowest limit: see [`Congestion::min_limit`]. Default: 1.
    #[must_use]
    pub fn min_limit(self, min: u32) -> Self {
        self.replanned(|plan| plan.limiter = plan.limiter.clone().min_limit(min))
    }

    /// The highest limit: see [`Congestion::max_limit`]. Default: 200.
    #[must_use]
    pub fn max_limit(self, max: u32) -> Self {
        self.replanned(|plan| plan.limiter = plan.limiter.clone().max_limit(max))
    }

    /// The longest a request may wait. Default: no limit. Zero: it passes at once or not at all.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.replanned(|plan| plan.queue = plan.queue.max_wait(max_wait))
    }

    /// How many requests may wait at once. Default: 1024. Zero: none waits.
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        self.replanned(|plan| plan.queue = plan.queue.max_waiting(max_waiting))
    }

    /// Draws the same numbers in each run: see [`Congestion::seed`].
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.replanned(|plan| plan.limiter = plan.limiter.clone().seed(seed))
    }

    pub(crate) fn of(plan: Plan<E>) -> Self {
        let shared = Shared::with_queue(plan.limiter.clone(), plan.queue);
        if let Some(name) = &plan.name {
            shared.set_name(Arc::clone(name));
        }
        Self { shared, plan }
    }

    fn replanned(self, change: impl FnOnce(&mut Plan<E>)) -> Self {
        let mut plan = self.plan;
        change(&mut plan);
        Self::of(plan)
    }
}

impl<E: Estimator> SharedCongestion<E> {
    /// Names the limiter in errors and events, for all who share it.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        self.shared.set_name(Arc::clone(&name));
        self.plan.name = Some(name);
        self
    }

    /// How many may be in flight now.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.snapshot().limit.unwrap_or_default()
    }

    /// How many are in flight. More than the limit, if that fell.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.snapshot().in_flight.unwrap_or_default()
    }

    /// The latency of the server while it has little to do, as far as is known.
    #[must_use]
    pub fn baseline(&self) -> Option<Duration> {
        self.look(|limiter, _now| limiter.baseline())
    }

    /// Why the limit was last changed; `None` if it is what it was at the start.
    #[must_use]
    pub fn last_cause(&self) -> Option<Cause> {
        self.look(|limiter, _now| limiter.last_cause())
    }

    /// Sets the limit, for now: the estimator goes on from there. Those who wait feel it at once.
    pub fn set_limit(&self, limit: u32) {
        self.look(|limiter, _now| limiter.set_limit(limit));
    }

    /// What the server says is the most: see [`Congestion::set_ceiling`].
    pub fn set_ceiling(&self, ceiling: Option<u32>) {
        self.look(|limiter, _now| limiter.set_ceiling(ceiling));
    }

    /// Takes a place for a request, if there is one now and nobody waits.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if there is none.
    pub fn try_acquire(&self) -> Result<Permit<Congestion<E>>, Rejected> {
        self.shared.try_acquire(())
    }

    /// Waits in line for a place.
    ///
    /// Call [`spend`](Permit::spend) on the permit when the request is sent, and
    /// [`complete`](tower_throttle_core::InFlight::complete) on what it returns when the request is over.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if the line is full, or the wait was too long.
    pub fn acquire(&self) -> Acquire<Congestion<E>> {
        self.shared.acquire(())
    }

    /// The state at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// The limiter and its line, for an adapter.
    #[must_use]
    pub const fn shared(&self) -> &Shared<Congestion<E>> {
        &self.shared
    }

    fn look<R>(&self, look: impl FnOnce(&mut Congestion<E>, Instant) -> R) -> R {
        self.shared.update(look)
    }
}
