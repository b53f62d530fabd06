//! Many threads at one bucket, by the lane, by the lock and from the line: not a token too many, and
//! in the end all of them are there.

mod probe;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Waker},
};

use tokio::task::{JoinSet, yield_now};
use tower_throttle_core::{Permit, Shared};

use self::probe::{Tokens, next, secs};

const TASKS: u64 = 8;
const OPERATIONS: u64 = 60_000;
const BURST: u32 = 24;

/// Tokens that are out at the moment, by somebody else's count.
#[derive(Clone, Default)]
struct Out(Arc<AtomicU32>);

impl Out {
    async fn hold(&self, permit: Permit<Tokens>, cost: u32, long: bool) {
        let before = self.0.fetch_add(cost, Ordering::SeqCst);
        assert!(before + cost <= BURST, "{before} and {cost} of {BURST}");
        if long {
            yield_now().await;
        }
        self.0.fetch_sub(cost, Ordering::SeqCst);
        drop(permit);
    }
}

async fn borrow(shared: Shared<Tokens>, mut seed: u64, out: Out) {
    for _ in 0..OPERATIONS {
        let cost = u32::try_from(next(&mut seed) % 9).unwrap();
        match next(&mut seed) % 16 {
            0..8 => {
                let permit = shared.acquire(cost).await.unwrap();
                out.hold(permit, cost, seed % 3 == 0).await;
            }
            8..12 => {
                if let Ok(permit) = shared.try_acquire(cost) {
                    out.hold(permit, cost, seed % 3 == 0).await;
                }
            }
            12..14 => {
                let mut acquire = Box::pin(shared.acquire(cost));
                let _ = acquire
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()));
            }
            14 => shared.update(|_tokens, _now| ()),
            _ => assert!(shared.snapshot().level <= Some(BURST.into())),
        }
    }
}

/// Nothing flows in as long as this takes: every token that is there was given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lent_is_all_there_in_the_end() {
    let shared = Shared::new(Tokens::new(BURST, secs(3600)));
    let out = Out::default();
    let mut tasks = JoinSet::new();
    for seed in 0..TASKS {
        tasks.spawn(borrow(shared.clone(), seed, out.clone()));
    }
    tasks.join_all().await;
    let snapshot = shared.snapshot();
    assert_eq!(snapshot.level, Some(i64::from(BURST)));
    assert_eq!((snapshot.waiting, snapshot.waiting_cost), (0, 0));
    drop(shared.try_acquire(BURST).unwrap());
}
