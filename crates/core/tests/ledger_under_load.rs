//! Many threads and a million operations: the ledger comes out exact.

mod probe;

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::task::{JoinSet, yield_now};
use tower_throttle_core::{Acquire, Limiter, Shared};

use self::probe::{Ledger, Recorded, Slots, Tokens, next};

const TASKS: u64 = 8;
const OPERATIONS: u64 = 65_000;

/// Polls once, outside the task, and leaves.
fn ask_and_leave<L: Limiter>(acquire: Acquire<L>) {
    let mut acquire = pin!(acquire);
    let _ = acquire.as_mut().poll_once();
}

trait PollOnce: Future + Sized {
    fn poll_once(self: Pin<&mut Self>) -> Poll<Self::Output> {
        self.poll(&mut Context::from_waker(Waker::noop()))
    }
}

impl<L: Limiter> PollOnce for Acquire<L> {}

/// Polls a few times on the task, then leaves: as `select!` would.
async fn wait_a_little<L: Limiter>(acquire: Acquire<L>, patience: u64) {
    let mut acquire = pin!(acquire);
    for _ in 0..patience {
        let granted = poll_fn(|cx| Poll::Ready(acquire.as_mut().poll(cx).is_ready())).await;
        if granted {
            return;
        }
        yield_now().await;
    }
}

async fn at_work(shared: Shared<Recorded<Slots>>, seed: u64, in_use: Arc<AtomicU32>) {
    let mut seed = seed;
    for _ in 0..OPERATIONS {
        match next(&mut seed) % 16 {
            0..6 => {
                let in_flight = shared.acquire(()).await.unwrap().spend();
                assert!(in_use.fetch_add(1, Ordering::SeqCst) < 3, "one too many");
                if seed % 3 == 0 {
                    yield_now().await;
                }
                in_use.fetch_sub(1, Ordering::SeqCst);
                match seed % 5 {
                    0 => drop(in_flight),
                    _ => in_flight.complete(None),
                }
            }
            6..9 => drop(shared.acquire(()).await.unwrap()),
            9..11 => wait_a_little(shared.acquire(()), seed % 4).await,
            11..13 => ask_and_leave(shared.acquire(())),
            13 => drop(shared.try_acquire(())),
            14 => shared.update(|_slots, _now| ()),
            _ => assert!(shared.snapshot().in_flight <= Some(3)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_in_flight_are_neither_lost_nor_doubled() {
    let (slots, ledger) = Ledger::of(Slots::new(3));
    let shared = Shared::new(slots);
    let in_use = Arc::new(AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    for seed in 0..TASKS {
        tasks.spawn(at_work(shared.clone(), seed, Arc::clone(&in_use)));
    }
    tasks.join_all().await;
    let snapshot = shared.snapshot();
    assert_eq!((snapshot.waiting, snapshot.in_flight), (0, Some(0)));
    assert_eq!(ledger.held(), 0);
    assert!(ledger.taken() > 100_000, "{} taken", ledger.taken());
}

async fn at_the_tap(shared: Shared<Tokens>, seed: u64, spent: Arc<AtomicU32>) {
    let mut seed = seed;
    for _ in 0..OPERATIONS {
        let cost = u32::try_from(next(&mut seed) % 5).unwrap();
        match seed % 8 {
            0..4 => {
                drop(shared.acquire(cost).await.unwrap().spend());
                spent.fetch_add(cost, Ordering::SeqCst);
            }
            4 => drop(shared.acquire(cost).await.unwrap()),
            5 => wait_a_little(shared.acquire(cost), seed % 4).await,
            6 => ask_and_leave(shared.acquire(cost)),
            _ => drop(shared.try_acquire(cost)),
        }
    }
}

/// Tokens by the lane, by the lock and from the line: never more than there were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_not_made_out_of_nothing() {
    const BURST: u32 = 50;
    let every = Duration::from_nanos(500);
    let start = tower_throttle_core::now();
    let shared = Shared::new(Tokens::new(BURST, every));
    let spent = Arc::new(AtomicU32::new(0));
    let mut tasks = JoinSet::new();
    for seed in 0..TASKS {
        tasks.spawn(at_the_tap(shared.clone(), seed, Arc::clone(&spent)));
    }
    tasks.join_all().await;
    let flowed_in = (tower_throttle_core::now() - start).as_nanos() / every.as_nanos();
    let spent = u128::from(spent.load(Ordering::SeqCst));
    assert!(
        spent <= u128::from(BURST) + flowed_in,
        "{spent} of {flowed_in}"
    );
    assert_eq!(shared.snapshot().waiting, 0);
    let level = shared.snapshot().level.unwrap();
    assert!(level <= i64::from(BURST), "{level} tokens");
}
