//! A runtime that was built without time can set no timer.

use std::{sync::mpsc, thread};

use tokio::runtime::{Builder, Runtime};
use tower_throttle_core::Shared;

use crate::{
    Flavour, acquire_and_tell, bounded,
    probe::{Gate, Ledger, Slots, Tokens, ms, now, secs},
};

fn timeless() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

#[test]
fn what_need_not_wait_needs_no_time() {
    bounded(|| {
        let shared = Shared::new(Tokens::new(2, ms(1)));
        timeless().block_on(async {
            shared.acquire(1).await.unwrap().spend();
            drop(shared.acquire(1).await.unwrap());
            shared.update(|_, _| {});
        });
    });
}

#[test]
fn a_request_that_must_wait_panics_alone() {
    bounded(|| {
        let (limiter, ledger) = Ledger::of(Tokens::new(1, ms(20)));
        let shared = Shared::new(limiter);
        shared.try_acquire(1).unwrap().spend().complete(());
        let timeless = timeless();
        let lonely = timeless.spawn(shared.acquire(1));
        let error = timeless.block_on(lonely).unwrap_err();
        assert!(error.is_panic());
        assert_eq!(shared.snapshot().waiting, 0, "it left the line");

        Flavour::CurrentThread
            .build()
            .block_on(shared.acquire(1))
            .unwrap()
            .spend();
        assert_eq!(ledger.held(), 2);
    });
}

/// As it unwinds, it leaves the line, and those who are left need a timer.
#[test]
fn a_request_that_panics_takes_nobody_with_it() {
    bounded(|| {
        let (limiter, ledger) = Ledger::of(Tokens::new(1, ms(20)));
        let shared = Shared::new(limiter);
        shared.try_acquire(1).unwrap().spend().complete(());
        let timeless = timeless();
        let first: Vec<_> = (0..3).map(|_| timeless.spawn(shared.acquire(1))).collect();
        let (in_line, joined) = mpsc::channel();
        let acquire = acquire_and_tell(shared.clone(), 1, in_line);
        timeless.block_on(async {
            for doomed in first {
                assert!(doomed.await.unwrap_err().is_panic());
            }
        });
        let survivor = thread::spawn(move || {
            drop(
                Flavour::MultiThread
                    .build()
                    .block_on(acquire)
                    .unwrap()
                    .spend(),
            );
        });
        joined.recv().unwrap();
        let last = timeless.spawn(shared.acquire(1));
        let last = timeless.block_on(last);
        survivor.join().unwrap();
        // It may have been served by the survivor's timer.
        if let Err(error) = last {
            assert!(error.is_panic());
        }
        assert_eq!(shared.snapshot().waiting, 0);
        assert!(ledger.held() >= 2);
    });
}

/// Ending, dropping and changing is never a reason to panic, wherever it happens.
#[test]
fn a_call_that_ends_there_panics_nobody() {
    bounded(|| {
        let (limiter, ledger) = Ledger::of(Slots::new(1));
        let shared = Shared::new(limiter);
        let in_flight = shared.try_acquire(()).unwrap().spend();
        let (in_line, joined) = mpsc::channel();
        let acquire = acquire_and_tell(shared.clone(), (), in_line);
        let survivor = thread::spawn(move || Flavour::CurrentThread.build().block_on(acquire));
        joined.recv().unwrap();
        timeless().block_on(async { in_flight.complete(None) });
        let permit = survivor.join().unwrap().unwrap();

        let (in_line, joined) = mpsc::channel();
        let acquire = acquire_and_tell(shared.clone(), (), in_line);
        let survivor = thread::spawn(move || Flavour::MultiThread.build().block_on(acquire));
        joined.recv().unwrap();
        timeless().block_on(async { drop(permit) });
        drop(survivor.join().unwrap().unwrap());
        assert_eq!(ledger.held(), 0);
    });
}

#[test]
fn a_change_there_reaches_those_who_wait_elsewhere() {
    bounded(|| {
        let shared = Shared::new(Gate::ClosedUntil(now() + secs(3600)));
        let (in_line, joined) = mpsc::channel();
        let acquire = acquire_and_tell(shared.clone(), (), in_line);
        let survivor = thread::spawn(move || Flavour::CurrentThread.build().block_on(acquire));
        joined.recv().unwrap();
        timeless().block_on(async {
            shared.update(|gate, now| *gate = Gate::ClosedUntil(now + ms(20)));
        });
        let _permit = survivor.join().unwrap().unwrap();
    });
}
