//! The state that services share: a limiter, its line and its alarm, behind one lock.

mod admit;
mod alarm;
mod events;
mod guarded;
mod inner;
mod lane;
mod permit;
mod state;
mod turn;
mod turnstile;

use std::{fmt, sync::Arc, time::Instant};

pub(crate) use self::admit::Admission;
use self::inner::Inner;
pub use self::permit::{Acquire, InFlight, Permit};
pub(crate) use self::turn::Turn;
use crate::{Limiter, Queue, Rejected, Snapshot, clock};

/// A limiter and the line before it, shared by all who clone this handle.
///
/// Layers and services hold one; take a clone from a layer to look at the limiter, to change its
/// settings while requests wait, or to ask for permits without tower:
///
/// ```
/// # use tower_throttle_core::doc::OnePerSecond;
/// use tower_throttle_core::Shared;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), tower_throttle_core::Rejected> {
/// let shared = Shared::new(OnePerSecond::default());
///
/// shared.acquire(()).await?.spend(); // at once
/// shared.acquire(()).await?.spend(); // a second later
/// assert!(shared.try_acquire(()).is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Fairness
///
/// First come, first served: a permit goes to whoever waits longest, and a newcomer gets one at once
/// only if nobody waits. A waiter that nobody polls stalls no one: its permit is handed to the next
/// after [`SHELF_LIFE`](crate::SHELF_LIFE), and it is first when it asks again.
///
/// # Cancel safety
///
/// One who stops waiting leaves the line; a permit that was granted and not used goes back.
///
/// # Cost
///
/// A request that need not wait reads the clock once and takes one lock; if the limiter has a
/// [`Pace`](crate::Pace), as a rate has, or [`Room`](crate::Room), as a limit on what is in flight has,
/// one atomic operation instead. Its end, if the limiter is told of it, is another look at the clock and
/// one lock. One that waits takes about 60
/// bytes in a table that is used again, nothing on the heap of its own, and no task. Leaving takes
/// constant time.
///
/// # Runtimes
///
/// Nothing here needs a runtime until a request waits; then it must be polled on a tokio runtime
/// with time enabled, and panics elsewhere if what it waits for is a time. Several runtimes may share
/// a limiter: each on which somebody waits has a timer for it, so one that is shut down, or that
/// nobody drives at the moment, holds up its own requests only. Permits may be given back, and
/// settings changed, anywhere.
pub struct Shared<L: Limiter>(Arc<Inner<L>>);

impl<L: Limiter> Shared<L> {
    /// Shares a limiter, with a [`Queue`] as it is by default.
    #[must_use]
    pub fn new(limiter: L) -> Self {
        Self::with_queue(limiter, Queue::new())
    }

    /// Shares a limiter, with limits on waiting.
    #[must_use]
    pub fn with_queue(limiter: L, queue: Queue) -> Self {
        Self(Inner::new(limiter, queue))
    }

    /// Names the limiter in errors and events. All who share it share its name.
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        self.0.state.lock().name = Some(name.into());
    }

    /// Takes a permit if one is there and nobody waits for it.
    ///
    /// # Errors
    ///
    /// If there is none at once.
    pub fn try_acquire(&self, cost: L::Cost) -> Result<Permit<L>, Rejected> {
        let now = clock::now();
        if let Some(permit) = self.pass(cost, now) {
            return Ok(Permit::new(self.clone(), permit));
        }
        let mut state = self.0.state.lock();
        let permit = match state.take_if_free(cost, now) {
            Some(permit) => permit,
            None => self.try_again(state, cost, now)?,
        };
        Ok(Permit::new(self.clone(), permit))
    }

    /// Waits in line for a permit.
    ///
    /// # Errors
    ///
    /// If the [`Queue`] allows no such wait, or the limiter can never give as much.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the line and gives back what was granted. Its place in line is
    /// lost.
    pub fn acquire(&self, cost: L::Cost) -> Acquire<L> {
        Acquire::new(self.clone(), cost)
    }

    /// Changes the limiter, or looks at it. Those who wait feel the change at once.
    ///
    /// The closure runs under the lock: it must be short, and must not call back into this handle.
    /// All who wait are looked at afterwards, in case that they would now wait for too long.
    pub fn update<R>(&self, change: impl FnOnce(&mut L, Instant) -> R) -> R {
        self.change(|state, now| {
            state.line.review();
            change(&mut state.limiter, now)
        })
    }

    /// What there is to see now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = clock::now();
        self.0.state.lock().snapshot(now)
    }

    /// Whether both handles share one limiter.
    #[must_use]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Rings the alarm if it is due, as a timer driver would.
    #[cfg(throttle_loom)]
    pub fn ring_if_due(&self) {
        self.0.ring_if_due();
    }
}

impl<L: Limiter> Clone for Shared<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: Limiter> fmt::Debug for Shared<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.snapshot();
        f.debug_struct("Shared")
            .field("queue", &self.0.queue)
            .field("snapshot", &snapshot)
            .finish_non_exhaustive()
    }
}
