//! Threads without a runtime.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, mpsc},
    task::{Context, Poll, Wake},
    thread,
};

use tokio_test::task;
use tower_throttle_core::{SHELF_LIFE, Shared};

use crate::{
    FLAVOURS, Flavour, acquire_and_tell, bounded,
    probe::{Gate, Ledger, Slots, Tokens, ms, now, secs},
};

#[test]
fn what_ends_or_changes_on_a_plain_thread_reaches_those_who_wait() {
    bounded(|| {
        for flavour in FLAVOURS {
            let (limiter, ledger) = Ledger::of((Gate::Open, Slots::new(1)));
            let shared = Shared::new(limiter);
            let mut in_flight = shared.try_acquire(((), ())).unwrap().spend();
            for round in 0..3 {
                let (in_line, joined) = mpsc::channel();
                let acquire = acquire_and_tell(shared.clone(), ((), ()), in_line);
                let waits = thread::spawn(move || flavour.build().block_on(acquire));
                joined.recv().unwrap();
                match round {
                    0 => in_flight.complete(((), None)),
                    1 => drop(in_flight),
                    _ => {
                        shared.update(|both, _| both.limiter.0 = Gate::Closed);
                        drop(in_flight);
                        shared.update(|both, now| both.limiter.0 = Gate::ClosedUntil(now + ms(5)));
                    }
                }
                in_flight = waits.join().unwrap().unwrap().spend();
            }
            drop(in_flight);
            assert_eq!(ledger.held(), 0);
        }
    });
}

/// Nobody here can set the timer for the shelf life of the head's grant.
#[test]
fn a_grant_from_a_plain_thread_has_a_shelf_life_too() {
    bounded(|| {
        let (limiter, ledger) = Ledger::of(Slots::new(1));
        let shared = Shared::new(limiter);
        let permit = shared.try_acquire(()).unwrap();
        let (in_line, joined) = mpsc::channel();
        let mut head = task::spawn(shared.acquire(()));
        let runtime = Flavour::MultiThread.build();
        {
            let _here = runtime.enter();
            assert!(head.poll().is_pending());
        }
        let waits = runtime.spawn(acquire_and_tell(shared.clone(), (), in_line));
        joined.recv().unwrap();
        let start = now();
        drop(permit);
        assert_eq!(ledger.held(), 1, "it went to the head, which nobody polls");
        drop(runtime.block_on(waits).unwrap().unwrap());
        assert!(now() - start >= SHELF_LIFE);
        assert_eq!(ledger.held(), 0);
    });
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// An executor that is not tokio's. Counts how often it polls.
fn block_on<F: Future>(future: F) -> (F::Output, usize) {
    let mut future = pin!(future);
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut polls = 0;
    loop {
        polls += 1;
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return (output, polls);
        }
        thread::park();
    }
}

/// A permit that comes back needs no timer, as long as its owner fetches it.
#[test]
fn another_executor_can_wait_for_what_needs_no_timer() {
    bounded(|| {
        let (limiter, ledger) = Ledger::of(Slots::new(1));
        let shared = Shared::new(limiter);
        let permit = shared.try_acquire(()).unwrap();
        let (in_line, joined) = mpsc::channel();
        let acquire = acquire_and_tell(shared.clone(), (), in_line);
        let waits = thread::spawn(move || block_on(acquire));
        joined.recv().unwrap();
        drop(permit);
        let (permit, polls) = waits.join().unwrap();
        drop(permit.unwrap());
        assert!(polls <= 3, "polled {polls} times");
        assert_eq!(ledger.held(), 0);
    });
}

/// It panics rather than spin or hang: a clock is needed, and there is none.
#[test]
fn another_executor_is_told_that_a_wait_by_the_clock_needs_tokio() {
    bounded(|| {
        let (limiter, ledger) = Ledger::of(Tokens::new(1, secs(3600)));
        let shared = Shared::new(limiter);
        shared.try_acquire(1).unwrap().spend().complete(());
        let waits = thread::spawn({
            let acquire = shared.acquire(1);
            move || drop(block_on(acquire))
        });
        let panic = waits.join().unwrap_err();
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or(panic.downcast_ref::<&str>().copied());
        assert!(message.unwrap().contains("runtime"), "{message:?}");
        assert_eq!(shared.snapshot().waiting, 0);
        assert_eq!(ledger.held(), 1);
    });
}
