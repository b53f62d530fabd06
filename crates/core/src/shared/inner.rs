//! Looking at the line, and having it looked at in time.

use std::{
    sync::{Arc, Weak},
    task::{Wake, Waker},
    time::Instant,
};

use super::{
    alarm::{self, Alarm, Armed, Runtime},
    events,
    guarded::{Guarded, Locked},
    state::Ears,
};
use crate::{
    Limiter, Queue, clock,
    line::Wakers,
    sync::{Mutex, lock},
};

/// In this order, so that what every request writes lies together; and apart from the count of the clones, in another
/// pair of cache lines. Of two cores each would wait for the other more often.
#[repr(C, align(128))]
pub(super) struct Inner<L: Limiter> {
    pub(super) state: Guarded<L>,
    alarm: Mutex<Alarm>,
    waker: Waker,
    pub(super) queue: Queue,
}

impl<L: Limiter> Inner<L> {
    pub(super) fn new(limiter: L, queue: Queue) -> Arc<Self> {
        Arc::new_cyclic(|inner| Self {
            state: Guarded::new(limiter),
            alarm: Mutex::new(Alarm::default()),
            waker: Waker::from(Arc::new(Ring(Weak::clone(inner)))),
            queue,
        })
    }

    #[cfg(throttle_loom)]
    pub(super) fn ring_if_due(&self) {
        let due = lock(&self.alarm).take_due(clock::now());
        due.into_iter().for_each(Waker::wake);
    }

    /// Does all that is due. Wakes, without the lock, only as often as `wakers` fills up.
    pub(super) fn catch_up<'a>(
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
    pub(super) fn settle(&self, state: Locked<'_, L>, now: Instant, mut wakers: Wakers) {
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
            self.arm(None);
        }
    }

    fn look(&self) {
        let mut wakers = Wakers::default();
        let mut state = self.catch_up(self.state.lock(), clock::now(), &mut wakers);
        let news = state.news();
        drop(state);
        wakers.wake_all();
        events::tell(news);
    }

    /// Sees to it that somebody rings for one who waits and is polled here.
    pub(super) fn hear(&self, ears: Ears) {
        match alarm::here() {
            Some(here) if ears.listening == Some(here) => {}
            Some(here) => {
                lock(&self.alarm).add(here);
                self.arm(Some(here));
            }
            None => assert!(
                !ears.by_the_clock,
                "whoever waits by the clock must be polled on a tokio runtime"
            ),
        }
    }

    /// Sets the alarm for what is due next. If the runtime of this thread is given, it is the first
    /// to ring.
    pub(super) fn arm(&self, here: Option<Runtime>) {
        loop {
            match self.set_alarm(here) {
                Armed::Set | Armed::Listening => return,
                Armed::Due => self.look(),
                Armed::Lost => return self.strand(),
            }
        }
    }

    fn set_alarm(&self, here: Option<Runtime>) -> Armed {
        let mut alarm = lock(&self.alarm);
        let now = clock::now();
        let Some(at) = self.state.lock().arm(now) else {
            alarm.rest();
            return Armed::Set;
        };
        let armed = alarm.set(at, now, here, &self.waker);
        self.state.lock().armed(armed, here);
        armed
    }

    /// A timer was lost: wakes those who wait, and they listen wherever they are polled.
    fn strand(&self) {
        let wakers = self.state.lock().line.wakers();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// What the alarm wakes: the line itself.
struct Ring<L: Limiter>(Weak<Inner<L>>);

impl<L: Limiter> Wake for Ring<L> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if alarm::is_being_set() {
            return;
        }
        if let Some(inner) = self.0.upgrade() {
            inner.look();
            inner.arm(alarm::here());
        }
    }
}
