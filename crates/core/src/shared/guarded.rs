use std::{
    ops::{Deref, DerefMut},
    time::Instant,
};

use super::{
    lane::Lane,
    state::State,
    turnstile::{Entered, Told, Turnstile},
};
use crate::{
    Cost, Limiter, clock,
    sync::{Mutex, MutexGuard, lock},
};

/// The lock, and the ways past it: in the order of [`Inner`](super::inner::Inner).
#[derive(Debug)]
#[repr(C)]
pub(super) struct Guarded<L: Limiter> {
    turnstile: Turnstile,
    state: Mutex<State<L>>,
    lane: Lane,
}

impl<L: Limiter> Guarded<L> {
    pub(super) fn new(limiter: L) -> Self {
        let guarded = Self {
            state: Mutex::new(State::new(limiter)),
            lane: Lane::new(clock::now()),
            turnstile: Turnstile::new(),
        };
        drop(guarded.lock());
        guarded
    }

    /// Passes by the lane or the turnstile, if one is open.
    #[inline]
    pub(super) fn pass(&self, cost: L::Cost, now: Instant) -> Option<L::Permit> {
        let mut sum = <L::Cost as Cost>::Sum::default();
        cost.add_to(&mut sum);
        if self.lane.take(L::Cost::tokens(sum), now) {
            return L::permit(cost);
        }
        L::enter(self.turnstile.pass()?, now)
    }

    /// Locks, and closes the ways past the lock until it is released.
    #[inline]
    pub(super) fn lock(&self) -> Locked<'_, L> {
        self.lock_and(Turnstile::close)
    }

    /// As [`lock`](Self::lock), but the turnstile stays open: for nothing but the end of a call.
    #[inline]
    pub(super) fn lock_to_complete(&self) -> Locked<'_, L> {
        // After a panic it is left as it is then: better closed, if fewer may pass from now on.
        if std::thread::panicking() {
            return self.lock();
        }
        self.lock_and(Turnstile::entered)
    }

    #[inline]
    fn lock_and(
        &self,
        count: impl FnOnce(&Turnstile, &mut Told) -> Option<Entered>,
    ) -> Locked<'_, L> {
        let mut state = lock(&self.state);
        let lane = &self.lane;
        if let Some(full_at) = lane
            .close()
            .filter(|&full_at| state.opened != Some(full_at))
        {
            state.limiter.passed(full_at);
        }
        state.count_in(|told| count(&self.turnstile, told));
        Locked {
            state,
            guarded: self,
        }
    }
}

/// The state, locked.
pub(super) struct Locked<'a, L: Limiter> {
    state: MutexGuard<'a, State<L>>,
    guarded: &'a Guarded<L>,
}

impl<L: Limiter> Locked<'_, L> {
    /// Opens the turnstile, or adds what places there are now.
    #[inline]
    fn open_turnstile(&mut self) {
        let turnstile = &self.guarded.turnstile;
        let state = &mut *self.state;
        let room = state.limiter.room();
        if room.is_some_and(|room| turnstile.extend(room, state.told)) {
            return;
        }
        state.count_in(|told| turnstile.close(told));
        if let Some(room) = state.limiter.room() {
            turnstile.open(room, state.told);
        }
    }
}

impl<L: Limiter> Deref for Locked<'_, L> {
    type Target = State<L>;

    fn deref(&self) -> &State<L> {
        &self.state
    }
}

impl<L: Limiter> DerefMut for Locked<'_, L> {
    fn deref_mut(&mut self) -> &mut State<L> {
        &mut self.state
    }
}

/// Opens the ways past the lock if nobody waits. Not after a panic: the limiter may panic again.
impl<L: Limiter> Drop for Locked<'_, L> {
    #[inline]
    fn drop(&mut self) {
        if self.line.is_empty() && !std::thread::panicking() {
            let pace = self.limiter.pace();
            self.state.opened = pace.and_then(|pace| self.guarded.lane.open(pace));
            self.open_turnstile();
        }
    }
}
