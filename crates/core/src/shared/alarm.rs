//! What rings when something in the line is due.

/// What came of setting the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Armed {
    /// It was set.
    Set,
    /// It was set, and the first timer to ring is that of this runtime.
    Listening,
    /// It is due: look again first.
    Due,
    /// A timer was lost, with its runtime: whoever waits there must be polled elsewhere.
    #[cfg_attr(throttle_loom, expect(dead_code, reason = "a model has one runtime"))]
    Lost,
}

pub(crate) use imp::{Alarm, Runtime, here, is_being_set};

#[cfg(not(throttle_loom))]
mod imp {
    use std::{
        cell::Cell,
        fmt,
        future::Future,
        pin::Pin,
        task::{Context, Poll, Waker},
        time::{Duration, Instant},
    };

    use tokio::{
        runtime::Handle,
        time::{Sleep, sleep_until},
    };

    use super::Armed;
    use crate::clock;

    pub(crate) type Runtime = tokio::runtime::Id;

    /// How much later than the first timer the others ring: rarely before it, since timers are late
    /// by about a millisecond, and soon enough that no rate is lost (see [`LAG`](crate::LAG)).
    const GRACE: Duration = Duration::from_millis(5);

    /// A timer for each runtime on which somebody waits, polled with the line's own waker. So they
    /// ring whether or not a waiter is ever polled, and need no task.
    ///
    /// The first one rings in time. The others ring a little later, in case that nobody drives the
    /// first one's runtime at the moment. Whichever rings becomes the first.
    ///
    /// Polling a timer panics once its runtime shuts down, and only this runtime's own threads can be
    /// sure that it doesn't: hence each is polled nowhere else.
    ///
    /// Why not a spawned task: each grant would take a turn of the scheduler more.
    #[derive(Default)]
    pub(crate) struct Alarm {
        timers: Vec<Timer>,
    }

    struct Timer {
        runtime: Runtime,
        sleep: Pin<Box<Sleep>>,
    }

    /// The runtime of this thread.
    pub(crate) fn here() -> Option<Runtime> {
        Handle::try_current().ok().map(|runtime| runtime.id())
    }

    impl Alarm {
        /// Adds a timer for the runtime of this thread, unless there is one.
        ///
        /// # Panics
        ///
        /// If the runtime was built without time.
        pub(crate) fn add(&mut self, here: Runtime) {
            if self.timers.iter().all(|timer| timer.runtime != here) {
                self.timers.push(Timer {
                    runtime: here,
                    sleep: Box::pin(sleep_until(clock::now().into())),
                });
            }
        }

        /// Sets all timers, the one of `here` first, and listens to that.
        pub(crate) fn set(
            &mut self,
            at: Instant,
            now: Instant,
            here: Option<Runtime>,
            waker: &Waker,
        ) -> Armed {
            if at <= now {
                return Armed::Due;
            }
            let mine = self.timers.iter().position(|one| Some(one.runtime) == here);
            if let Some(mine) = mine {
                self.timers.swap(0, mine);
            }
            if self.move_to(at) {
                return Armed::Lost;
            }
            match self.timers.first_mut().filter(|_| mine.is_some()) {
                Some(timer) => timer.listen(waker),
                None => Armed::Set,
            }
        }

        /// Nobody waits: a timer is kept for the next one who does.
        pub(crate) fn rest(&mut self) {
            self.timers.truncate(1);
        }

        /// Returns whether one was lost: it has rung, and on this thread nobody can listen to it.
        fn move_to(&mut self, at: Instant) -> bool {
            let _silence = Silence::new();
            let known = self.timers.len();
            let mut next = roundable(at);
            self.timers.retain_mut(|timer| {
                timer.sleep.as_mut().reset(next.into());
                next = roundable(clock::saturating_add(at, GRACE));
                !timer.sleep.is_elapsed()
            });
            self.timers.len() < known
        }
    }

    impl Timer {
        /// Unconstrained: a task that has used up its budget must be able to set the alarm.
        fn listen(&mut self, waker: &Waker) -> Armed {
            let mut sleep = tokio::task::unconstrained(self.sleep.as_mut());
            match Pin::new(&mut sleep).poll(&mut Context::from_waker(waker)) {
                Poll::Pending => Armed::Listening,
                Poll::Ready(()) => Armed::Due,
            }
        }
    }

    /// A timer rounds up to a millisecond, and panics at the end of time if there is none left.
    fn roundable(at: Instant) -> Instant {
        const TICK: Duration = Duration::from_millis(1);
        match at.checked_add(TICK) {
            Some(_) => at,
            None => at.checked_sub(TICK).unwrap_or(at),
        }
    }

    thread_local! {
        static SILENT: Cell<bool> = const { Cell::new(false) };
    }

    /// Setting a timer rings it if it is due by then, or if its runtime shuts down. Whoever sets it
    /// sees that, and holds a lock that the ring would wait for.
    struct Silence;

    impl Silence {
        fn new() -> Self {
            SILENT.set(true);
            Self
        }
    }

    impl Drop for Silence {
        fn drop(&mut self) {
            SILENT.set(false);
        }
    }

    /// Whether this thread is about to set a timer.
    pub(crate) fn is_being_set() -> bool {
        SILENT.try_with(Cell::get).unwrap_or(false)
    }

    impl fmt::Debug for Alarm {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Alarm").finish_non_exhaustive()
        }
    }
}

/// Under a model checker the model rings: see `ring_if_due`.
#[cfg(throttle_loom)]
pub(crate) mod imp {
    use std::{task::Waker, time::Instant};

    use super::Armed;

    /// There is one runtime.
    pub(crate) type Runtime = ();

    #[derive(Debug, Default)]
    pub(crate) struct Alarm {
        at: Option<Instant>,
        waker: Option<Waker>,
    }

    pub(crate) fn here() -> Option<Runtime> {
        Some(())
    }

    pub(crate) fn is_being_set() -> bool {
        false
    }

    impl Alarm {
        pub(crate) fn add(&mut self, (): Runtime) {}

        pub(crate) fn set(
            &mut self,
            at: Instant,
            now: Instant,
            here: Option<Runtime>,
            waker: &Waker,
        ) -> Armed {
            if at <= now {
                return Armed::Due;
            }
            self.at = Some(at);
            match here {
                Some(()) => {
                    self.waker = Some(waker.clone());
                    Armed::Listening
                }
                None => Armed::Set,
            }
        }

        pub(crate) fn rest(&mut self) {}

        /// Takes the waker if the alarm is due, as a timer driver would.
        pub(crate) fn take_due(&mut self, now: Instant) -> Option<Waker> {
            self.at.filter(|&at| at <= now)?;
            self.waker.take()
        }
    }
}
