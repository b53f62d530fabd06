//! A runtime that shuts down while its requests, or its timer, are in use.

use std::{
    sync::{LazyLock, mpsc},
    thread,
};

use tower_throttle_core::Shared;

use crate::{
    FLAVOURS, Flavour, acquire_and_tell, bounded,
    probe::{Gate, Ledger, Recorded, Slots, Tokens, ms, now, secs},
};

fn drained(tokens: Tokens) -> (Shared<Recorded<Tokens>>, Ledger) {
    let (limiter, ledger) = Ledger::of(tokens);
    let shared = Shared::new(limiter);
    shared.try_acquire(1).unwrap().spend().complete(());
    (shared, ledger)
}

/// A runtime that runs on a thread of its own until it is told to die.
struct Doomed {
    die: tokio::sync::oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Doomed {
    /// Runs `in_line` requests, all of which stand in line when this returns.
    fn new(flavour: Flavour, shared: &Shared<Recorded<Tokens>>, in_line: usize) -> Self {
        let shared = shared.clone();
        let (die, death) = tokio::sync::oneshot::channel();
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = flavour.build();
            for _ in 0..in_line {
                let acquire = acquire_and_tell(shared.clone(), 1, sender.clone());
                runtime.spawn(async move { drop(acquire.await.unwrap().spend()) });
            }
            let _ = runtime.block_on(death);
        });
        receiver.iter().take(in_line).for_each(drop);
        Self { die, thread }
    }

    fn die(self) {
        let _ = self.die.send(());
        self.thread
            .join()
            .expect("a runtime panicked as it shut down");
    }
}

#[test]
fn a_runtime_that_dies_with_the_timer_strands_nobody_of_another() {
    bounded(|| {
        for (dying, living) in pairs() {
            let (shared, ledger) = drained(Tokens::new(1, ms(40)));
            let start = now();
            let doomed = Doomed::new(dying, &shared, 3);
            let survivor = Doomed::new(living, &shared, 1);
            assert_eq!(shared.snapshot().waiting, 4);
            doomed.die();
            assert_eq!(shared.snapshot().waiting, 1, "the dead left the line");
            let _ = living.build().block_on(shared.acquire(1)).unwrap().spend();
            survivor.die();
            assert!(
                now() - start >= ms(80),
                "the survivor passed, and then this"
            );
            assert_eq!(ledger.held(), 3);
        }
    });
}

#[test]
fn a_runtime_that_dies_without_the_timer_strands_nobody_of_another() {
    bounded(|| {
        for (dying, living) in pairs() {
            let (shared, ledger) = drained(Tokens::new(1, ms(40)));
            let survivor = Doomed::new(living, &shared, 1);
            let doomed = Doomed::new(dying, &shared, 3);
            doomed.die();
            let _ = living.build().block_on(shared.acquire(1)).unwrap().spend();
            survivor.die();
            assert_eq!(ledger.held(), 3);
        }
    });
}

/// Its requests outlive it, in the hands of somebody else.
#[test]
fn a_request_that_outlives_its_runtime_is_answered_on_another() {
    bounded(|| {
        for (dying, living) in pairs() {
            let (shared, ledger) = drained(Tokens::new(1, ms(20)));
            let mut kept = Box::pin(shared.acquire(1));
            let runtime = dying.build();
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = &mut kept => unreachable!("not due"),
                    () = std::future::ready(()) => {}
                }
            });
            drop(runtime);
            assert_eq!(shared.snapshot().waiting, 1);
            let permit = living.build().block_on(kept).unwrap();
            drop(permit.spend());
            assert_eq!(ledger.held(), 2);
        }
    });
}

/// Behind a head that nobody will ever poll again.
#[test]
fn a_head_whose_runtime_is_gone_stalls_no_one() {
    bounded(|| {
        for (dying, living) in pairs() {
            let (shared, _ledger) = drained(Tokens::new(1, ms(20)));
            let mut kept = Box::pin(shared.acquire(1));
            let runtime = dying.build();
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = &mut kept => unreachable!("not due"),
                    () = std::future::ready(()) => {}
                }
            });
            let survivor = thread::spawn({
                let (in_line, joined) = mpsc::channel();
                let acquire = acquire_and_tell(shared.clone(), 1, in_line);
                let survivor =
                    thread::spawn(move || living.build().block_on(acquire).unwrap().spend());
                joined.recv().unwrap();
                move || drop(survivor.join().unwrap())
            });
            drop(runtime);
            survivor.join().unwrap();
            drop(kept);
        }
    });
}

#[test]
fn a_runtime_that_shuts_down_in_the_background_strands_nobody() {
    bounded(|| {
        for (dying, living) in pairs() {
            let (shared, _ledger) = drained(Tokens::new(1, ms(20)));
            let runtime = dying.build();
            let (in_line, joined) = mpsc::channel();
            let acquire = acquire_and_tell(shared.clone(), 1, in_line);
            let waits = runtime.spawn(acquire);
            if dying == Flavour::CurrentThread {
                runtime.block_on(tokio::task::yield_now());
            }
            joined.recv().unwrap();
            runtime.shutdown_background();
            let _ = living.build().block_on(shared.acquire(1)).unwrap().spend();
            drop(waits);
        }
    });
}

/// A permit of a concurrency limit whose request dies with its runtime comes back.
#[test]
fn what_a_dying_runtime_had_in_flight_comes_back() {
    bounded(|| {
        for (dying, living) in pairs() {
            let (limiter, ledger) = Ledger::of(Slots::new(1));
            let shared = Shared::new(limiter);
            let runtime = dying.build();
            let in_flight = shared.try_acquire(()).unwrap().spend();
            runtime.spawn(async move {
                std::future::pending::<()>().await;
                drop(in_flight);
            });
            let (in_line, joined) = mpsc::channel();
            let acquire = acquire_and_tell(shared.clone(), (), in_line);
            let survivor = thread::spawn(move || living.build().block_on(acquire).unwrap().spend());
            joined.recv().unwrap();
            drop(runtime);
            drop(survivor.join().unwrap());
            assert_eq!((ledger.held(), ledger.lost()), (0, 2));
        }
    });
}

/// The grant was on its way to a task that died before it was polled.
#[test]
fn what_a_dying_runtime_was_granted_comes_back() {
    bounded(|| {
        for living in FLAVOURS {
            let (limiter, ledger) = Ledger::of(Slots::new(1));
            let shared = Shared::new(limiter);
            let permit = shared.try_acquire(()).unwrap();
            let runtime = Flavour::CurrentThread.build();
            let (in_line, joined) = mpsc::channel();
            runtime.spawn(acquire_and_tell(shared.clone(), (), in_line));
            runtime.block_on(tokio::task::yield_now());
            joined.recv().unwrap();
            // Nobody drives the runtime any more.
            drop(permit);
            assert_eq!(ledger.held(), 1);
            let (in_line, joined) = mpsc::channel();
            let acquire = acquire_and_tell(shared.clone(), (), in_line);
            let survivor = thread::spawn(move || living.build().block_on(acquire).unwrap().spend());
            joined.recv().unwrap();
            drop(runtime);
            assert_eq!(
                (ledger.taken(), ledger.cancelled()),
                (3, 2),
                "it went on at once"
            );
            drop(survivor.join().unwrap());
            assert_eq!(ledger.held(), 0);
        }
    });
}

/// Tests, and programs with a runtime per thread, put their limiters into statics.
#[test]
fn a_limiter_in_a_static_serves_runtimes_one_after_the_other() {
    static SHARED: LazyLock<Shared<Tokens>> = LazyLock::new(|| Shared::new(Tokens::new(1, ms(5))));
    bounded(|| {
        let start = now();
        for flavour in [FLAVOURS, FLAVOURS, FLAVOURS].concat() {
            flavour.build().block_on(async {
                for _ in 0..3 {
                    SHARED.acquire(1).await.unwrap().spend();
                }
                // One more is in line when the runtime goes.
                let (in_line, joined) = mpsc::channel();
                tokio::spawn(acquire_and_tell(SHARED.clone(), 1, in_line));
                tokio::task::yield_now().await;
                if flavour == Flavour::MultiThread {
                    joined.recv().unwrap();
                }
            });
        }
        assert!(now() - start >= ms(5) * 17);
        assert_eq!(SHARED.snapshot().waiting, 0);
    });
}

/// A gate far in the future: the timer is long when its runtime dies.
#[test]
fn a_change_reaches_those_whose_timer_is_gone() {
    bounded(|| {
        for (dying, living) in pairs() {
            let opens = now() + secs(3600);
            let shared = Shared::new(Gate::ClosedUntil(opens));
            let runtime = dying.build();
            let (in_line, joined) = mpsc::channel();
            runtime.spawn(acquire_and_tell(shared.clone(), (), in_line));
            if dying == Flavour::CurrentThread {
                runtime.block_on(tokio::task::yield_now());
            }
            joined.recv().unwrap();
            let (in_line, joined) = mpsc::channel();
            let acquire = acquire_and_tell(shared.clone(), (), in_line);
            let survivor = thread::spawn(move || living.build().block_on(acquire).unwrap());
            joined.recv().unwrap();
            drop(runtime);
            shared.update(|gate, now| *gate = Gate::ClosedUntil(now + ms(20)));
            let _permit = survivor.join().unwrap();
        }
    });
}

fn pairs() -> impl Iterator<Item = (Flavour, Flavour)> {
    FLAVOURS
        .into_iter()
        .flat_map(|dying| FLAVOURS.map(|living| (dying, living)))
}
