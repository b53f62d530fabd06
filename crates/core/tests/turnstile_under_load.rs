//! Many threads at one limit on what is in flight, by the turnstile, by the lock and from the line: never
//! one too many, and in the end all places are there.

mod probe;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Waker},
};

use tokio::task::{JoinSet, yield_now};
use tower_throttle_core::{InFlight, Permit, Shared};

use self::probe::{Slots, next};

const TASKS: u64 = 8;
const OPERATIONS: u64 = 60_000;
const MOST: u32 = 5;

/// Those that are in flight at the moment, by somebody else's count.
#[derive(Clone, Default)]
struct Inside(Arc<AtomicU32>);

impl Inside {
    /// Now and then, what becomes of it lowers the limit or raises it again.
    async fn visit(&self, permit: Permit<Slots>, dice: u64) {
        let in_flight = permit.spend();
        let before = self.0.fetch_add(1, Ordering::SeqCst);
        assert!(before < MOST, "{before} of {MOST}");
        if dice % 3 == 0 {
            yield_now().await;
        }
        self.0.fetch_sub(1, Ordering::SeqCst);
        match dice % 64 {
            0..8 => in_flight.complete(Some(2)),
            8..24 => in_flight.complete(Some(MOST)),
            24..32 => drop(in_flight),
            _ => in_flight.complete(None),
        }
    }
}

async fn at_work(shared: Shared<Slots>, mut seed: u64, inside: Inside) {
    for _ in 0..OPERATIONS {
        let dice = next(&mut seed) >> 8;
        match next(&mut seed) % 16 {
            0..4 => {
                let permit = shared.acquire(()).await.unwrap();
                inside.visit(permit, dice).await;
            }
            4..12 => {
                if let Ok(permit) = shared.try_acquire(()) {
                    inside.visit(permit, dice).await;
                }
            }
            12 => drop(shared.try_acquire(())),
            13 => {
                let mut acquire = Box::pin(shared.acquire(()));
                let _ = acquire
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()));
            }
            14 => shared.update(|_slots, _now| ()),
            _ => assert!(shared.snapshot().in_flight <= Some(MOST)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_place_is_free_in_the_end() {
    let shared = Shared::new(Slots::new(MOST));
    let inside = Inside::default();
    let mut tasks = JoinSet::new();
    for seed in 0..TASKS {
        tasks.spawn(at_work(shared.clone(), seed, inside.clone()));
    }
    tasks.join_all().await;
    let snapshot = shared.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.waiting), (Some(0), 0));
    shared.update(|slots, _now| slots.limit = MOST);
    let permits: Vec<_> = (0..MOST).map(|_| shared.try_acquire(())).collect();
    assert!(permits.iter().all(Result::is_ok));
    assert!(shared.try_acquire(()).is_err());
}

/// The limit is known to the limiter alone when it falls, and to those who pass at once.
#[test]
fn whoever_passes_after_the_limit_fell_finds_it_fallen() {
    let shared = Shared::new(Slots::new(3));
    let first = shared.try_acquire(()).unwrap().spend();
    let second = shared.try_acquire(()).unwrap().spend();
    first.complete(Some(1));
    assert!(shared.try_acquire(()).is_err());
    second.complete(None);
    let third = shared.try_acquire(()).unwrap().spend();
    assert!(shared.try_acquire(()).is_err());
    third.complete(Some(2));
    let both = [shared.try_acquire(()), shared.try_acquire(())];
    assert!(both.iter().all(Result::is_ok));
}

/// The end of a call lowers the limit while its thread unwinds.
#[test]
fn a_limit_that_falls_in_a_panic_has_fallen() {
    struct Last(Option<InFlight<Slots>>);

    impl Drop for Last {
        fn drop(&mut self) {
            self.0.take().unwrap().complete(Some(1));
        }
    }

    let shared = Shared::new(Slots::new(4));
    let _first = shared.try_acquire(()).unwrap().spend();
    let last = Last(Some(shared.try_acquire(()).unwrap().spend()));
    let panicked = std::thread::spawn(move || {
        let _last = last;
        panic!("in flight");
    });
    assert!(panicked.join().is_err());
    assert!(shared.try_acquire(()).is_err());
}
