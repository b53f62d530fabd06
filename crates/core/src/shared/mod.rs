//! The state that services share: a limiter, its line and its alarm, behind one lock.

mod alarm;
mod events;
mod lane;
mod permit;
mod state;
mod turn;

use std::{
    fmt,
    sync::{Arc, Weak, atomic::AtomicBool},
    task::{Wake, Waker},
    time::Instant,
};

pub use self::permit::{Acquire, InFlight, Permit};
pub(crate) use self::turn::Turn;
use self::{
    alarm::{Alarm, Armed},
    state::{Guarded, Locked, State},
};
use crate::{
    Cost, Limiter, Queue, Rejected, Snapshot, Why, clock,
    line::{Ask, Fetched, Key, Wakers},
    sync::{AtomicUsize, Mutex, Ordering, lock},
};

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
/// A request that need not wait takes one lock and reads the clock once. One that waits takes 48
/// bytes for a small limiter, nothing on the heap of its own, and no task; leaving takes constant
/// time.
///
/// # Runtimes
///
/// Nothing here needs a runtime until a request waits; then it must be polled on a tokio runtime
/// with time enabled. Several runtimes may share a limiter.
pub struct Shared<L: Limiter>(Arc<Inner<L>>);

struct Inner<L: Limiter> {
    state: Guarded<L>,
    alarm: Mutex<Alarm>,
    /// How many want the alarm set: the first does it, for the others too. Setting a timer can ring
    /// it, and whoever it wakes wants it set again.
    arming: AtomicUsize,
    /// The alarm rang since its waker was registered.
    rang: AtomicBool,
    waker: Waker,
    queue: Queue,
}

/// What a request is told that asks to pass.
pub(crate) enum Admission<P> {
    Granted(P),
    Joined(Key),
    Refused(Rejected),
}

impl<L: Limiter> Shared<L> {
    /// Shares a limiter, with a [`Queue`] as it is by default.
    #[must_use]
    pub fn new(limiter: L) -> Self {
        Self::with_queue(limiter, Queue::new())
    }

    /// Shares a limiter, with limits on waiting.
    #[must_use]
    pub fn with_queue(limiter: L, queue: Queue) -> Self {
        Self(Arc::new_cyclic(|inner| Inner {
            state: Guarded::new(limiter),
            alarm: Mutex::new(Alarm::default()),
            arming: AtomicUsize::new(0),
            rang: AtomicBool::new(false),
            waker: Waker::from(Arc::new(Ring(Weak::clone(inner)))),
            queue,
        }))
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
        let due = lock(&self.0.alarm).take_due(clock::now());
        due.into_iter().for_each(Waker::wake);
    }

    /// Passes by the lane, without the lock, if it is open.
    #[inline]
    pub(crate) fn pass(&self, cost: L::Cost, now: Instant) -> Option<L::Permit> {
        self.0.state.pass(cost, now)
    }

    /// Passes at once, or stands in line, or is refused.
    pub(crate) fn admit(
        &self,
        ask: Ask<L::Cost>,
        now: Instant,
        waker: Option<&Waker>,
    ) -> Admission<L::Permit> {
        let mut state = self.0.state.lock();
        match state.take_if_free(ask.cost, now) {
            Some(permit) => Admission::Granted(permit),
            None => self.enqueue(state, ask, now, waker),
        }
    }

    /// Ends a call that was sent.
    pub(crate) fn complete(&self, permit: L::Permit, feedback: Option<L::Feedback>) {
        self.change(|state, now| state.limiter.complete(permit, feedback, now));
    }

    /// Takes back a permit that was never used.
    pub(crate) fn cancel(&self, permit: L::Permit) {
        self.change(|state, now| state.limiter.cancel(permit, now));
    }

    fn shelve(&self, permit: L::Permit, cost: L::Cost, since: Instant) -> Key {
        let now = clock::now();
        let mut state = self.0.state.lock();
        let key = state.line.shelve(permit, cost, since);
        self.settle(state, now, Wakers::default());
        key
    }

    fn leave(&self, key: Key) {
        let waker = self.change(|state, now| {
            let (permit, waker) = state.line.leave(key);
            if let Some(permit) = permit {
                state.limiter.cancel(permit, now);
            }
            waker
        });
        drop(waker);
    }

    /// Looks for a grant; one whose grant lapsed stands in line again, at its old place.
    fn fetch(
        &self,
        key: Key,
        ask: Ask<L::Cost>,
        joined: Instant,
        waker: &Waker,
    ) -> Fetched<L::Permit> {
        let mut state = self.0.state.lock();
        let mut fetched = state.line.fetch(key, waker);
        if matches!(fetched, Fetched::Lapsed) {
            state.line.rejoin(key, ask, joined, waker);
            self.settle(state, clock::now(), Wakers::default());
            state = self.0.state.lock();
            fetched = state.line.fetch(key, waker);
        }
        self.0.release(state);
        fetched
    }

    fn rejected(&self, why: Why, cost: &L::Cost, joined: Instant) -> Rejected {
        let now = clock::now();
        let rejected = self
            .0
            .state
            .lock()
            .rejected(why, cost, joined, now, &self.0.queue);
        events::rejected(&rejected);
        rejected
    }

    /// Does what is due first: what lies on the shelf for too long may be free by now.
    #[cold]
    fn try_again(
        &self,
        state: Locked<'_, L>,
        cost: L::Cost,
        now: Instant,
    ) -> Result<L::Permit, Rejected> {
        let mut wakers = Wakers::default();
        let mut state = self.catch_up(state, now, &mut wakers);
        let permit = state.take_if_free(cost, now);
        let permit = permit.ok_or_else(|| state.refusal_to_wait(&cost, now));
        self.settle(state, now, wakers);
        permit
    }

    #[cold]
    fn enqueue<'a>(
        &'a self,
        mut state: Locked<'a, L>,
        ask: Ask<L::Cost>,
        now: Instant,
        waker: Option<&Waker>,
    ) -> Admission<L::Permit> {
        if state.line.is_due(now) {
            self.settle(state, now, Wakers::default());
            state = self.0.state.lock();
            if let Some(permit) = state.take_if_free(ask.cost, now) {
                return Admission::Granted(permit);
            }
        }
        if let Some(rejected) = state.refusal(ask, now, &self.0.queue) {
            drop(state);
            events::rejected(&rejected);
            return Admission::Refused(rejected);
        }
        let pacing = events::Pacing::of(&state, &ask.cost, now);
        let key = state.line.join(ask, now, waker.cloned());
        if state.line.is_due(now) {
            self.settle(state, now, Wakers::default());
        } else {
            self.0.release(state);
        }
        events::pacing(pacing);
        Admission::Joined(key)
    }

    /// Makes a change that may concern those who wait.
    fn change<R>(&self, change: impl FnOnce(&mut State<L>, Instant) -> R) -> R {
        let now = clock::now();
        let mut state = self.0.state.lock();
        if state.line.is_empty() {
            let result = change(&mut state, now);
            let news = state.news();
            drop(state);
            events::tell(news);
            return result;
        }
        let mut wakers = Wakers::default();
        // What was due before the change is granted as it stood before the change.
        let mut state = self.catch_up(state, now, &mut wakers);
        let before = state.outlook(&L::Cost::ONE, now);
        let result = change(&mut state, now);
        state.line.touch();
        if state.outlook(&L::Cost::ONE, now).is_worse_than(&before) {
            state.line.review();
        }
        self.settle(state, now, wakers);
        result
    }

    fn settle(&self, state: Locked<'_, L>, now: Instant, wakers: Wakers) {
        self.0.settle(state, now, wakers);
    }

    fn catch_up<'a>(
        &'a self,
        state: Locked<'a, L>,
        now: Instant,
        wakers: &mut Wakers,
    ) -> Locked<'a, L> {
        self.0.catch_up(state, now, wakers)
    }
}

impl<L: Limiter> Inner<L> {
    /// Does all that is due. Wakes, without the lock, only as often as `wakers` fills up.
    fn catch_up<'a>(
        &'a self,
        mut state: Locked<'a, L>,
        now: Instant,
        wakers: &mut Wakers,
    ) -> Locked<'a, L> {
        while !state.advance(now, &self.queue, wakers) {
            drop(state);
            wakers.wake_all();
            state = self.state.lock();
        }
        state
    }

    /// Does all that is due, sets the alarm for the next time, and wakes.
    fn settle(&self, state: Locked<'_, L>, now: Instant, mut wakers: Wakers) {
        let mut state = self.catch_up(state, now, &mut wakers);
        let news = state.news();
        self.release(state);
        wakers.wake_all();
        events::tell(news);
    }

    /// Unlocks, and sets the alarm if it isn't set for the next time.
    fn release(&self, state: Locked<'_, L>) {
        let arm = state.needs_alarm();
        drop(state);
        if arm {
            self.arm();
        }
    }

    fn look(&self) {
        let now = clock::now();
        self.settle(self.state.lock(), now, Wakers::default());
    }

    fn arm(&self) {
        if self.arming.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        // A runtime without time makes tokio panic here; nobody else must suffer for it.
        let arming = Arming(self);
        let mut wanted = 1;
        loop {
            self.set_alarm();
            let done = self
                .arming
                .compare_exchange(wanted, 0, Ordering::AcqRel, Ordering::Acquire);
            match done {
                Ok(_) => return std::mem::forget(arming),
                Err(more) => wanted = more,
            }
        }
    }

    fn set_alarm(&self) {
        let Some(target) = self.state.lock().arm() else {
            return;
        };
        let armed = lock(&self.alarm).set(target, &self.waker, &self.rang);
        match armed {
            Armed::Set => {}
            Armed::Due => {
                self.state.lock().armed = None;
                self.look();
            }
            Armed::Stranded => self.strand(),
        }
    }

    /// Nobody here can set the alarm: wakes those who wait, and the first to be polled on a runtime
    /// of its own sets it there.
    fn strand(&self) {
        let mut state = self.state.lock();
        state.armed = None;
        let wakers = state.line.wakers();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Setting the alarm panicked: nobody sets it any more, and it is not set.
struct Arming<'a, L: Limiter>(&'a Inner<L>);

impl<L: Limiter> Drop for Arming<'_, L> {
    fn drop(&mut self) {
        self.0.state.lock().armed = None;
        self.0.arming.store(0, Ordering::Release);
    }
}

/// What the alarm wakes: the line itself.
struct Ring<L: Limiter>(Weak<Inner<L>>);

impl<L: Limiter> Wake for Ring<L> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(inner) = self.0.upgrade() {
            inner.rang.store(true, std::sync::atomic::Ordering::Release);
            inner.state.lock().armed = None;
            inner.look();
        }
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
