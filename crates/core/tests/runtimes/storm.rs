//! Runtimes that come and go, all at once.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::task::JoinSet;
use tower_throttle_core::{Queue, Shared};

use crate::{
    FLAVOURS, bounded,
    probe::{Ledger, Slots, Tokens},
};

const THREADS: usize = 4;

#[test]
fn runtimes_come_and_go_and_nobody_is_left_behind() {
    bounded(|| {
        let tokens = Tokens::new(1, Duration::from_micros(100));
        let (limiter, ledger) = Ledger::of((tokens, Slots::new(3)));
        let shared = Shared::with_queue(limiter, Queue::new().max_waiting(usize::MAX));
        let served = Arc::new(AtomicUsize::new(0));
        let all_at_once = Arc::new(Barrier::new(THREADS));
        let threads = (0..THREADS).map(|index| {
            let (shared, served) = (shared.clone(), Arc::clone(&served));
            let all_at_once = Arc::clone(&all_at_once);
            thread::spawn(move || {
                all_at_once.wait();
                for round in 0..40 {
                    let runtime = FLAVOURS[(index + round) % 2].build();
                    // These live no longer than the runtime.
                    for _ in 0..round % 5 {
                        runtime.spawn(shared.acquire((1, ())));
                    }
                    runtime.block_on(async {
                        let mut calls = JoinSet::new();
                        for _ in 0..4 {
                            let shared = shared.clone();
                            calls.spawn(async move {
                                let permit = shared.acquire((1, ())).await.unwrap();
                                permit.spend().complete(((), None));
                            });
                        }
                        while let Some(call) = calls.join_next().await {
                            call.unwrap();
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            })
        });
        for thread in threads.collect::<Vec<_>>() {
            thread.join().unwrap();
        }
        assert_eq!(served.load(Ordering::Relaxed), THREADS * 40 * 4);
        assert_eq!(ledger.held(), 0);
        assert_eq!(shared.snapshot().waiting, 0);
    });
}
