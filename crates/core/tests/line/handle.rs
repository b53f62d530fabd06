//! The handle: snapshots, tries, names, and what a refusal says.

use std::{error::Error, time::Duration};

use tokio_test::{assert_pending, assert_ready, task};
use tower_throttle_core::{Queue, Shared, Why};

use crate::probe::{Gate, Ledger, Slots, Tokens, jump, ms, now, secs};

#[tokio::test(start_paused = true)]
async fn a_snapshot_counts_those_who_wait_and_what_they_ask_for() {
    let shared = Shared::new(Tokens::new(10, ms(100)));
    let snapshot = shared.snapshot();
    assert_eq!((snapshot.waiting, snapshot.waiting_cost), (0, 0));
    assert_eq!((snapshot.level, snapshot.burst), (Some(10), Some(10)));

    drop(shared.try_acquire(10).unwrap().spend());
    let mut line: Vec<_> = [3, 4, 10]
        .map(|cost| task::spawn(shared.acquire(cost)))
        .into();
    for acquire in &mut line {
        assert_pending!(acquire.poll());
    }
    let snapshot = shared.snapshot();
    assert_eq!((snapshot.waiting, snapshot.waiting_cost), (3, 17));
    assert_eq!(snapshot.level, Some(0));
    jump(ms(300)).await;
    assert_eq!(
        (shared.snapshot().waiting, shared.snapshot().waiting_cost),
        (2, 14)
    );
    drop(line.pop());
    assert_eq!(
        (shared.snapshot().waiting, shared.snapshot().waiting_cost),
        (1, 4)
    );
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_two_limits_shows_both() {
    let opens = now() + secs(1);
    let shared = Shared::new((
        Gate::ClosedUntil(opens),
        (Slots::new(4), Tokens::new(5, ms(1))),
    ));
    let mut acquire = task::spawn(shared.acquire(((), ((), 2))));
    assert_pending!(acquire.poll());
    let snapshot = shared.snapshot();
    assert_eq!(snapshot.resume_at, Some(opens));
    assert_eq!((snapshot.limit, snapshot.in_flight), (Some(4), Some(0)));
    assert_eq!(snapshot.level, Some(5));
    assert_eq!(snapshot.waiting_cost, 2);
}

#[tokio::test(start_paused = true)]
async fn costs_that_nobody_can_add_up_are_no_trouble() {
    let queue = Queue::new().max_waiting(usize::MAX);
    let shared = Shared::with_queue((Tokens::new(u32::MAX, ms(1)), Gate::Closed), queue);
    let cost = (u32::MAX, ());
    let mut line: Vec<_> = (0..100)
        .map(|_| task::spawn(shared.acquire(cost)))
        .collect();
    for acquire in &mut line {
        assert_pending!(acquire.poll());
    }
    assert_eq!(shared.snapshot().waiting_cost, 100 * u64::from(u32::MAX));
    drop(line);
    assert_eq!(shared.snapshot().waiting_cost, 0);
}

#[tokio::test(start_paused = true)]
async fn trying_takes_a_permit_or_says_when_there_will_be_one() {
    let shared = Shared::with_queue(Tokens::new(2, ms(100)), Queue::new().max_wait(secs(60)));
    shared.try_acquire(2).unwrap().spend();
    let rejected = shared.try_acquire(1).unwrap_err();
    assert_eq!(rejected.why(), Why::TooLong);
    assert_eq!(rejected.retry_after(), Some(ms(100)));
    assert_eq!(rejected.waited(), Duration::ZERO);
    // Whoever tries doesn't wait at all, whatever those who wait may do.
    assert_eq!(rejected.max_wait(), Some(Duration::ZERO));
    jump(ms(100)).await;
    drop(shared.try_acquire(1).unwrap());
    shared.try_acquire(1).unwrap().spend();
    assert!(shared.try_acquire(1).is_err());
}

/// Nobody fetched the permit, and no timer rang that would take it back.
#[test]
fn trying_takes_back_what_lies_on_the_shelf_for_too_long() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (limiter, ledger) = Ledger::of(Slots::new(1));
        let shared = Shared::new(limiter);
        let permit = shared.try_acquire(()).unwrap();
        let mut unpolled = task::spawn(shared.acquire(()));
        assert_pending!(unpolled.poll());
        drop(permit);
        // The clock moves without the timers' being looked at, as far as the next await.
        let advance = tokio::time::advance(ms(100));
        let mut advance = task::spawn(advance);
        assert_pending!(advance.poll());
        drop(shared.try_acquire(()).unwrap());
        assert_eq!(ledger.held(), 0);
    });
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_what_it_knows() {
    let queue = Queue::new().max_wait(ms(150)).max_waiting(1);
    let shared = Shared::with_queue(Tokens::new(2, ms(100)), queue);
    let refuse = |cost| assert_ready!(task::spawn(shared.acquire(cost)).poll()).unwrap_err();
    drop(shared.try_acquire(2).unwrap().spend());
    let too_long = refuse(2);
    assert_eq!(too_long.why(), Why::TooLong);
    assert_eq!(too_long.name(), None);
    assert_eq!(
        too_long.to_string(),
        "request refused: it may wait for 150ms at most, and could pass in 200ms"
    );
    assert_eq!(too_long.snapshot().level, Some(0));

    shared.set_name("github");
    let never = refuse(3);
    assert_eq!(never.name(), Some("github"));
    assert_eq!(
        never.to_string(),
        "request refused by github: it costs more than the limit can ever allow"
    );

    let mut waits = task::spawn(shared.acquire(1));
    assert_pending!(waits.poll());
    jump(ms(60)).await;
    let full = refuse(1);
    assert_eq!(full.why(), Why::Full);
    assert_eq!(
        full.to_string(),
        "request refused by github: 1 already wait, and could pass in 140ms"
    );
    assert_eq!(full, full.clone());
    assert!(full.source().is_none());
    assert!(format!("{full:?}").contains("Full"));

    let slots = Shared::with_queue(Slots::new(0), Queue::new().max_wait(ms(10)));
    let rejected = slots.acquire(()).await.unwrap_err();
    assert_eq!(
        rejected.to_string(),
        "request refused: it may wait for 10ms at most"
    );
    assert_eq!(rejected.waited(), ms(10));
    assert_eq!(rejected.snapshot().limit, Some(0));
}

#[tokio::test(start_paused = true)]
async fn handles_know_whether_they_share_one_limiter() {
    let shared = Shared::new(Slots::new(1));
    let clone = shared.clone();
    let other = Shared::new(Slots::new(1));
    assert!(shared.is_shared_with(&clone));
    assert!(!shared.is_shared_with(&other));
    let _permit = clone.try_acquire(()).unwrap();
    assert!(shared.try_acquire(()).is_err());
    assert!(other.try_acquire(()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_change_returns_what_its_closure_returns_and_tells_it_the_time() {
    let shared = Shared::new(Slots::new(1));
    assert_eq!(shared.update(|slots, at| (slots.limit, at)), (1, now()));
}

#[tokio::test(start_paused = true)]
async fn debugging_shows_the_state_and_locks_nothing_up() {
    let shared = Shared::new(Slots::new(1));
    let permit = shared.try_acquire(()).unwrap();
    let shown = format!("{shared:?} {permit:?} {:?}", shared.acquire(()));
    assert!(shown.contains("in_flight: Some(1)"), "{shown}");
    assert!(format!("{:?}", permit.spend()).contains("InFlight"));
}
