//! Which instant a grant is dated, when the timer is late or the clock strange.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio_test::{assert_pending, assert_ready_ok, task};
use tower_throttle_core::{Acquire, LAG, Limiter, Shared};

use crate::probe::{Ledger, Recorded, Slots, Tokens, jump, ms, now, secs, settle};

fn line<const LAG_MS: u64>(
    tokens: Tokens<LAG_MS>,
    how_many: usize,
) -> (
    Shared<Recorded<Tokens<LAG_MS>>>,
    Ledger,
    Vec<task::Spawn<Acquire<Recorded<Tokens<LAG_MS>>>>>,
) {
    let (limiter, ledger) = Ledger::of(tokens);
    let shared = Shared::new(limiter);
    let burst = shared.snapshot().burst.unwrap();
    drop(shared.try_acquire(burst).unwrap().spend());
    let line = (0..how_many).map(|_| {
        let mut acquire = task::spawn(shared.acquire(1));
        assert_pending!(acquire.poll());
        acquire
    });
    let line = line.collect();
    (shared, ledger, line)
}

/// A bucket that has just been emptied, and tasks that spend what they are given.
fn spending<const LAG_MS: u64>(
    tokens: Tokens<LAG_MS>,
    how_many: usize,
) -> (Ledger, Arc<Mutex<Vec<Instant>>>) {
    let (limiter, ledger) = Ledger::of(tokens);
    let shared = Shared::new(limiter);
    let spent = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..how_many {
        let (shared, spent) = (shared.clone(), Arc::clone(&spent));
        tokio::spawn(async move {
            shared.acquire(1).await.unwrap().spend();
            spent.lock().unwrap().push(now());
        });
    }
    (ledger, spent)
}

/// tower's `RateLimit` starts its window when the timer wakes it: 161 of 200/s.
#[tokio::test(start_paused = true)]
async fn a_timer_that_is_late_loses_nothing() {
    for micros in [1, 1100, 3700, 9999, 10_000] {
        let start = now();
        let (ledger, _) = spending(Tokens::new(1, ms(10)), 50);
        settle().await;
        // Each grant is looked at as late as that.
        tokio::time::advance(Duration::from_micros(micros)).await;
        for _ in 1..50 {
            jump(ms(10)).await;
        }
        let due: Vec<_> = (0..50).map(|n| ms(10) * n).collect();
        assert_eq!(ledger.dates(start), due, "{micros} us late");
    }
}

#[tokio::test(start_paused = true)]
async fn a_grant_is_dated_when_it_was_due() {
    let start = now();
    let (ledger, _) = spending(Tokens::new(1, ms(2)), 20);
    settle().await;
    jump(ms(9)).await;
    assert_eq!(ledger.dates(start), [0, 2, 4, 6, 8].map(ms));
}

#[tokio::test(start_paused = true)]
async fn a_grant_is_dated_no_more_than_the_lag_back() {
    let start = now();
    let (ledger, _) = spending(Tokens::new(1, ms(2)), 100);
    settle().await;
    jump(ms(101)).await;
    // The bucket was full 10 ms ago, with one token; since then five have come.
    let expected = [0, 91, 93, 95, 97, 99, 101].map(ms);
    assert_eq!(ledger.dates(start), expected);
    assert_eq!(LAG, ms(10));
}

#[tokio::test(start_paused = true)]
async fn a_grant_is_never_dated_back_for_a_limiter_that_forbids_it() {
    let start = now();
    let (ledger, _) = spending(Tokens::<0>::with_lag(1, ms(2)), 100);
    settle().await;
    jump(ms(101)).await;
    assert_eq!(ledger.dates(start), [0, 101].map(ms));
    jump(ms(3)).await;
    assert_eq!(ledger.dates(start), [0, 101, 104].map(ms));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_through_before_it_came() {
    let start = now();
    let (limiter, ledger) = Ledger::of(Slots::new(1));
    let shared = Shared::new(limiter);
    let permit = shared.try_acquire(()).unwrap();
    jump(ms(95)).await;
    let mut late = task::spawn(shared.acquire(()));
    assert_pending!(late.poll());
    tokio::time::advance(ms(5)).await;
    drop(permit);
    assert!(late.is_woken());
    assert_eq!(ledger.dates(start), [0, 95].map(ms));
}

#[tokio::test(start_paused = true)]
async fn dates_never_go_back_from_one_grant_to_the_next() {
    let start = now();
    let (shared, ledger, mut waiting) = line(Tokens::new(1, ms(2)), 3);
    jump(ms(7)).await;
    // All three are granted; the second gives its token back, dated before the third was granted.
    assert_eq!(ledger.dates(start), [0, 2, 4, 6].map(ms));
    let mut next = task::spawn(shared.acquire(1));
    assert_pending!(next.poll());
    drop(waiting.remove(1));
    assert!(next.is_woken());
    let dates = ledger.dates(start);
    assert!(dates.is_sorted(), "{dates:?}");
}

/// After the machine slept, or the runtime stood still for hours.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ahead_by_hours_lets_no_more_through_than_the_burst() {
    let (_shared, ledger, mut waiting) = line(Tokens::new(3, ms(100)), 100);
    let at_first = waiting.iter().filter(|acquire| acquire.is_woken()).count();
    assert_eq!(at_first, 0);
    let before = ledger.taken();
    jump(secs(5 * 3600)).await;
    assert_eq!(ledger.taken() - before, 3);
    for acquire in &mut waiting[..3] {
        assert_ready_ok!(acquire.poll()).spend();
    }
    jump(ms(100)).await;
    assert_ready_ok!(waiting[3].poll()).spend();
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_stands_still_lets_nothing_more_through() {
    let (shared, ledger, mut waiting) = line(Tokens::new(1, ms(1)), 10);
    for _ in 0..100 {
        settle_without_time(&mut waiting).await;
        shared.update(|_, _| {});
    }
    assert_eq!(ledger.taken(), 1);
}

async fn settle_without_time<L: Limiter>(waiting: &mut [task::Spawn<Acquire<L>>]) {
    for acquire in waiting {
        assert_pending!(acquire.poll());
    }
    tokio::task::yield_now().await;
}

/// In any time, at most the burst and what the rate gives in that time and the lag.
#[tokio::test(start_paused = true)]
async fn lateness_of_every_size_keeps_the_promise() {
    for late in [0, 1, 4, 9, 10, 11, 25, 60, 250] {
        let (ledger, spent) = spending(Tokens::new(2, ms(5)), 200);
        settle().await;
        while spent.lock().unwrap().len() < 200 {
            jump(ms(5 + late)).await;
        }
        let spent = spent.lock().unwrap();
        for (index, &from) in spent.iter().enumerate() {
            for (more, &to) in spent[index..].iter().enumerate() {
                let allowed = 2 + (to - from + LAG).as_millis() / 5;
                let count = more as u128 + 1;
                assert!(
                    count <= allowed,
                    "{count} in {:?}, {late} ms late",
                    to - from
                );
            }
        }
        assert!(ledger.entries().dates.is_sorted());
    }
}

#[tokio::test(start_paused = true)]
async fn without_lag_the_promise_is_kept_in_real_time() {
    for late in [0, 1, 4, 9, 10, 11, 25, 60, 250] {
        let (_ledger, spent) = spending(Tokens::<0>::with_lag(2, ms(5)), 200);
        settle().await;
        while spent.lock().unwrap().len() < 200 {
            jump(ms(5 + late)).await;
        }
        let spent = spent.lock().unwrap();
        for (index, &from) in spent.iter().enumerate() {
            for (more, &to) in spent[index..].iter().enumerate() {
                let allowed = 2 + (to - from).as_millis() / 5;
                let count = more as u128 + 1;
                assert!(
                    count <= allowed,
                    "{count} in {:?}, {late} ms late",
                    to - from
                );
            }
        }
    }
}
