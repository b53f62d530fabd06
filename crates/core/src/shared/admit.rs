//! What the adapters ask of the shared state.

use std::{task::Waker, time::Instant};

use super::{
    Shared, events,
    guarded::Locked,
    state::{Ears, State},
};
use crate::{
    Cost, Limiter, Rejected, Why, clock,
    line::{Ask, Fetched, Key, Wakers},
};

/// What a request is told that asks to pass.
pub(crate) enum Admission<P> {
    Granted(P),
    /// It stands in line. Once it is polled, it must be [heard](Shared::hear).
    Joined {
        key: Key,
        ears: Ears,
    },
    Refused(Rejected),
}

impl<L: Limiter> Shared<L> {
    /// Passes by the lane, without the lock, if it is open.
    #[inline]
    pub(crate) fn pass(&self, cost: L::Cost, now: Instant) -> Option<L::Permit> {
        self.0.state.pass(cost, now)
    }

    /// Passes at once, or stands in line, or is refused.
    #[inline]
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

    /// Sees to it that somebody rings for one who waits and is polled here.
    ///
    /// # Panics
    ///
    /// If it waits for a time, and nothing here can tell the time.
    pub(crate) fn hear(&self, ears: Ears) {
        self.0.hear(ears);
    }

    /// Ends a call that was sent.
    ///
    /// Not inlined, and no [`change`](Self::change), which would copy the permit before the lock is
    /// there: right after it was written, that takes as long as the lock itself.
    #[inline(never)]
    pub(crate) fn complete(&self, permit: L::Permit, feedback: Option<L::Feedback>) {
        let now = clock::now();
        let mut state = self.0.state.lock_to_complete();
        if !state.line.is_empty() {
            return self.change_before_line(state, now, |state, now| {
                state.limiter.complete(permit, feedback, now);
            });
        }
        state.limiter.complete(permit, feedback, now);
        unlock(state);
    }

    /// Takes back a permit that was never used.
    pub(crate) fn cancel(&self, permit: L::Permit) {
        self.change(|state, now| state.limiter.cancel(permit, now));
    }

    pub(super) fn shelve(&self, permit: L::Permit, cost: L::Cost, since: Instant) -> Key {
        let now = clock::now();
        let mut state = self.0.state.lock();
        let key = state.line.shelve(permit, cost, since);
        self.settle(state, now, Wakers::default());
        key
    }

    pub(super) fn leave(&self, key: Key) {
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
    pub(super) fn fetch(
        &self,
        key: Key,
        ask: Ask<L::Cost>,
        joined: Instant,
        waker: &Waker,
    ) -> Fetched<L::Permit> {
        let mut state = self.0.state.lock();
        let mut fetched = state.line.fetch(key, waker);
        if matches!(fetched, Fetched::Lapsed) {
            let now = clock::now();
            state.rejoin(key, ask, joined, now, waker);
            self.settle(state, now, Wakers::default());
            state = self.0.state.lock();
            fetched = state.line.fetch(key, waker);
        }
        match fetched {
            Fetched::Waiting { .. } => {
                let ears = state.ears(self.0.queue.longest_wait());
                drop(state);
                self.hear(ears);
            }
            _ => drop(state),
        }
        fetched
    }

    pub(super) fn rejected(&self, why: Why, cost: &L::Cost, joined: Instant) -> Rejected {
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
    pub(super) fn try_again(
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
        let ahead = state.line.queued();
        let key = state.line.join(ask, now, waker.cloned());
        if state.line.is_due(now) {
            self.settle(state, now, Wakers::default());
            state = self.0.state.lock();
        }
        let ears = state.ears(self.0.queue.longest_wait());
        drop(state);
        events::pacing(&self.0.state, ahead, ask.cost, now);
        Admission::Joined { key, ears }
    }

    /// Makes a change that may concern those who wait.
    #[inline]
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State<L>, Instant) -> R) -> R {
        let now = clock::now();
        let mut state = self.0.state.lock();
        if !state.line.is_empty() {
            return self.change_before_line(state, now, change);
        }
        let result = change(&mut state, now);
        unlock(state);
        result
    }

    #[cold]
    fn change_before_line<R>(
        &self,
        state: Locked<'_, L>,
        now: Instant,
        change: impl FnOnce(&mut State<L>, Instant) -> R,
    ) -> R {
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

/// Unlocks, and tells what there is to tell.
#[inline]
fn unlock<L: Limiter>(mut state: Locked<'_, L>) {
    let news = state.news();
    drop(state);
    events::tell(news);
}
