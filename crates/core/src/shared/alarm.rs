//! The one timer of a line.

/// What came of setting the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Armed {
    /// It will ring.
    Set,
    /// It is due: look again instead.
    Due,
    /// Nobody here can ring it: this thread is in no runtime, or in one that is shutting down.
    Stranded,
}

pub(crate) use imp::Alarm;

#[cfg(not(throttle_loom))]
mod imp {
    use std::{
        fmt,
        future::Future,
        pin::Pin,
        sync::atomic::{AtomicBool, Ordering},
        task::{Context, Poll, Waker},
        time::Instant,
    };

    use tokio::{
        runtime::{Handle, Id},
        time::{Sleep, sleep_until},
    };

    use super::Armed;
    use crate::clock;

    /// A tokio timer that is polled with the line's own waker, so that it rings whether or not a
    /// waiter is ever polled, and that needs no task.
    ///
    /// It lives on the runtime of whoever set it last. Polling a timer panics once its runtime shuts
    /// down, and only this runtime's own threads can be sure that it doesn't: hence it is polled
    /// nowhere else.
    ///
    /// Why not a spawned task: it would die with its runtime, and take the line with it.
    #[derive(Default)]
    pub(crate) struct Alarm {
        sleep: Option<Pin<Box<Sleep>>>,
        runtime: Option<Id>,
    }

    impl Alarm {
        /// Sets the alarm, or moves it. `rang` says that it rang since: its waker is used up.
        pub(crate) fn set(&mut self, deadline: Instant, waker: &Waker, rang: &AtomicBool) -> Armed {
            match Handle::try_current() {
                Ok(runtime) => {
                    rang.store(false, Ordering::Release);
                    self.set_here(runtime.id(), deadline, waker)
                }
                Err(_) if rang.load(Ordering::Acquire) => Armed::Stranded,
                Err(_) => self.move_to(deadline),
            }
        }

        pub(crate) fn clear(&mut self) {
            self.sleep = None;
        }

        fn set_here(&mut self, runtime: Id, deadline: Instant, waker: &Waker) -> Armed {
            if self.runtime.replace(runtime) != Some(runtime) {
                self.clear();
            }
            self.sleep
                .get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
            match (self.move_to(deadline), &mut self.sleep) {
                (Armed::Set, Some(sleep)) => poll(sleep.as_mut(), waker),
                (other, _) => other,
            }
        }

        /// A timer that rings as soon as it is set was due, or its runtime is shutting down.
        fn move_to(&mut self, deadline: Instant) -> Armed {
            let Some(sleep) = &mut self.sleep else {
                return Armed::Stranded;
            };
            sleep.as_mut().reset(deadline.into());
            if !sleep.is_elapsed() {
                return Armed::Set;
            }
            if deadline <= clock::now() {
                return Armed::Due;
            }
            self.clear();
            Armed::Stranded
        }
    }

    /// Unconstrained: a task that has used up its budget must be able to set the alarm.
    fn poll(sleep: Pin<&mut Sleep>, waker: &Waker) -> Armed {
        let mut poll = tokio::task::unconstrained(sleep);
        match Pin::new(&mut poll).poll(&mut Context::from_waker(waker)) {
            Poll::Pending => Armed::Set,
            Poll::Ready(()) => Armed::Due,
        }
    }

    impl fmt::Debug for Alarm {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Alarm").finish_non_exhaustive()
        }
    }
}

/// Under a model checker the model rings: see `ring`.
#[cfg(throttle_loom)]
pub(crate) mod imp {
    use std::{task::Waker, time::Instant};

    use super::Armed;
    use crate::clock;

    #[derive(Debug, Default)]
    pub(crate) struct Alarm {
        set: Option<(Instant, Waker)>,
    }

    impl Alarm {
        pub(crate) fn set(
            &mut self,
            deadline: Instant,
            waker: &Waker,
            _rang: &std::sync::atomic::AtomicBool,
        ) -> Armed {
            if deadline <= clock::now() {
                return Armed::Due;
            }
            self.set = Some((deadline, waker.clone()));
            Armed::Set
        }

        pub(crate) fn clear(&mut self) {
            self.set = None;
        }

        /// Takes the waker if the alarm is due, as a timer driver would.
        pub(crate) fn take_due(&mut self, now: Instant) -> Option<Waker> {
            self.set
                .take_if(|(deadline, _)| *deadline <= now)
                .map(|(_, waker)| waker)
        }
    }
}
