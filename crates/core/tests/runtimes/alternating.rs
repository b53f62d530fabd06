//! Runtimes that live, but that nobody drives at the moment: a `block_on` for each request.

use std::{
    pin::Pin,
    sync::{Arc, Barrier, mpsc},
    task::Poll,
    thread,
};

use tokio::runtime::Runtime;
use tower_throttle_core::{Acquire, Limiter, SHELF_LIFE, Shared};

use crate::{
    Flavour, acquire_and_tell, bounded,
    probe::{Ledger, Slots, Tokens, ms, now},
};

fn current() -> Runtime {
    Flavour::CurrentThread.build()
}

/// Stands in line, and is polled once on this runtime.
fn stand_in_line<L: Limiter>(runtime: &Runtime, acquire: &mut Acquire<L>) {
    runtime.block_on(std::future::poll_fn(|cx| {
        assert!(Pin::new(&mut *acquire).poll(cx).is_pending());
        Poll::Ready(())
    }));
}

#[test]
fn two_runtimes_alternate_on_one_thread() {
    bounded(|| {
        let shared = Shared::new(Tokens::new(1, ms(3)));
        let (one, other) = (current(), current());
        let start = now();
        for _ in 0..10 {
            one.block_on(shared.acquire(1)).unwrap().spend();
            other.block_on(shared.acquire(1)).unwrap().spend();
        }
        assert!(now() - start >= ms(3) * 19);
    });
}

/// The timer must not stay with a runtime that nobody drives.
#[test]
fn a_head_on_a_runtime_that_stands_still_stalls_no_one() {
    bounded(|| {
        let shared = Shared::new(Tokens::new(1, ms(10)));
        shared.try_acquire(1).unwrap().spend();
        let (still, driven) = (current(), current());
        let mut kept = shared.acquire(1);
        stand_in_line(&still, &mut kept);
        driven.block_on(shared.acquire(1)).unwrap().spend();
        still.block_on(kept).unwrap().spend();
    });
}

/// Each thread has a runtime and blocks on one request at a time. Whoever is served last on one
/// thread sets the timer for the next in line, and drives it no more.
#[test]
fn a_runtime_that_is_done_leaves_nobody_behind() {
    bounded(|| {
        let (limiter, ledger) = Ledger::of(Tokens::new(1, ms(2)));
        let shared = Shared::new(limiter);
        let done = Arc::new(Barrier::new(4));
        let threads = (0..4).map(|index| {
            let (shared, done) = (shared.clone(), Arc::clone(&done));
            thread::spawn(move || {
                let runtime = current();
                // Some are done earlier than others, and all live until the last one is.
                for _ in 0..5 * (index + 1) {
                    runtime.block_on(shared.acquire(1)).unwrap().spend();
                }
                done.wait();
            })
        });
        for thread in threads.collect::<Vec<_>>() {
            thread.join().unwrap();
        }
        assert_eq!(ledger.held(), 50);
    });
}

#[test]
fn a_permit_granted_to_a_runtime_that_stands_still_goes_to_the_next() {
    bounded(|| {
        let (limiter, ledger) = Ledger::of(Slots::new(1));
        let shared = Shared::new(limiter);
        let permit = shared.try_acquire(()).unwrap();
        let still = current();
        let mut kept = shared.acquire(());
        stand_in_line(&still, &mut kept);
        // Granted by a request that ends on the runtime that stands still from now on.
        let (in_line, joined) = mpsc::channel();
        let acquire = acquire_and_tell(shared.clone(), (), in_line);
        let start = now();
        let other = thread::spawn(move || drop(current().block_on(acquire).unwrap().spend()));
        joined.recv().unwrap();
        still.block_on(async { drop(permit) });
        other.join().unwrap();
        assert!(now() - start >= SHELF_LIFE);
        assert_eq!(ledger.held(), 0);
        let _permit = still.block_on(kept).unwrap();
    });
}
