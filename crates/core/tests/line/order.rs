//! First come, first served.

use std::time::Duration;

use tokio::{sync::mpsc, task::JoinSet};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};
use tower_throttle_core::{BackpressureLayer, Limiter, Permit, SHELF_LIFE, Shared};

use crate::probe::{Gate, Ledger, Probe, Slots, Tokens, jump, ms, now, secs, settle};

/// Spawns a task that waits for a permit, spends it, and says who it is.
fn join<L: Limiter<Cost: Sync, Permit: Sync>>(
    shared: &Shared<L>,
    cost: L::Cost,
    name: u32,
    order: &mpsc::UnboundedSender<(u32, Duration)>,
) {
    let (shared, order, start) = (shared.clone(), order.clone(), now());
    tokio::spawn(async move {
        let in_flight = shared.acquire(cost).await.unwrap().spend();
        order.send((name, now() - start)).unwrap();
        drop(in_flight);
    });
}

async fn collect<T>(mut receiver: mpsc::UnboundedReceiver<T>) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(one) = receiver.recv().await {
        all.push(one);
    }
    all
}

/// governor: half of all admissions out of order, 4.8 s of starvation.
#[tokio::test(start_paused = true)]
async fn a_thousand_who_wait_pass_in_the_order_in_which_they_came() {
    let shared = Shared::new(Tokens::new(1, ms(10)));
    let (sender, receiver) = mpsc::unbounded_channel();
    for name in 0..1000 {
        join(&shared, 1, name, &sender);
        settle().await;
    }
    drop(sender);
    let passed = collect(receiver).await;
    assert!(
        passed
            .into_iter()
            .eq((0..1000).map(|name| (name, ms(10) * name)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_never_overtakes() {
    let shared = Shared::new(Tokens::new(5, secs(1)));
    let spent = shared.try_acquire(5).unwrap().spend();
    drop(spent);
    let mut large = task::spawn(shared.acquire(5));
    assert_pending!(large.poll());

    // There are tokens for the newcomer, but somebody waits for them.
    jump(secs(3)).await;
    assert_eq!(shared.snapshot().level, Some(3));
    assert!(shared.try_acquire(1).is_err());
    let mut small = task::spawn(shared.acquire(1));
    assert_pending!(small.poll());
    jump(secs(2)).await;
    assert_ready_ok!(large.poll()).spend();
    assert_pending!(small.poll());
    jump(secs(1)).await;
    assert_ready_ok!(small.poll()).spend();
}

/// Limits of ready requests in flight: the same, when a permit comes back.
#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_get_the_permit_that_just_came_back() {
    let shared = Shared::new(Slots::new(1));
    let permit = shared.try_acquire(()).unwrap();
    let mut waits = task::spawn(shared.acquire(()));
    assert_pending!(waits.poll());
    drop(permit);
    assert!(shared.try_acquire(()).is_err());
    let mut newcomer = task::spawn(shared.acquire(()));
    assert_pending!(newcomer.poll());
    let permit = assert_ready_ok!(waits.poll());
    assert_pending!(newcomer.poll());
    drop(permit);
    let _permit = assert_ready_ok!(newcomer.poll());
}

/// Large writes starve behind small ones where whoever fits goes first.
#[tokio::test(start_paused = true)]
async fn a_large_cost_is_not_starved_by_small_ones() {
    let shared = Shared::new(Tokens::new(10, secs(1)));
    drop(shared.try_acquire(10).unwrap().spend());
    let mut small: JoinSet<()> = JoinSet::new();
    for _ in 0..3 {
        let shared = shared.clone();
        small.spawn(async move {
            // More demand than supply, for ever.
            loop {
                shared.acquire(1).await.unwrap().spend();
            }
        });
    }
    settle().await;
    let start = now();
    shared.acquire(10).await.unwrap().spend();
    assert_eq!(
        now() - start,
        secs(13),
        "after the three that were there, and no other"
    );
}

#[tokio::test(start_paused = true)]
async fn leaving_lets_the_next_move_up() {
    let shared = Shared::new(Tokens::new(4, secs(1)));
    drop(shared.try_acquire(4).unwrap().spend());
    let mut large = task::spawn(shared.acquire(4));
    let mut small = task::spawn(shared.acquire(1));
    assert_pending!(large.poll());
    assert_pending!(small.poll());
    jump(secs(2)).await;
    assert!(!small.is_woken());
    drop(large);
    assert!(
        small.is_woken(),
        "there were tokens for it, but not its turn"
    );
    assert_ready_ok!(small.poll()).spend();
    assert_eq!(shared.snapshot().level, Some(1));
}

/// leaky-bucket: a future that is in line and not polled blocks everybody.
#[tokio::test(start_paused = true)]
async fn a_head_that_nobody_polls_stalls_no_one() {
    let shared = Shared::new(Tokens::new(1, ms(10)));
    drop(shared.try_acquire(1).unwrap().spend());
    let mut unpolled = task::spawn(shared.acquire(1));
    assert_pending!(unpolled.poll());
    let start = now();
    for n in 2..=5 {
        shared.acquire(1).await.unwrap().spend();
        assert_eq!(now() - start, ms(10) * n);
    }
}

/// One that was called and never polled at all has no waker, and armed no timer.
#[tokio::test(start_paused = true)]
async fn a_request_that_was_never_polled_stalls_no_one() {
    let shared = Shared::new(Tokens::new(1, ms(10)));
    let (probe, _handle) = Probe::roomy();
    let mut service = tower_throttle_core::LimitLayer::new(shared.clone()).layer(probe);
    service.ready().await.unwrap().call(0).await.unwrap();
    let _unpolled = service.ready().await.unwrap().call(1);
    let start = now();
    service.ready().await.unwrap().call(2).await.unwrap();
    assert_eq!(now() - start, ms(20));
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_nobody_fetches_goes_to_the_next_in_line() {
    let (limiter, ledger) = Ledger::of(Slots::new(1));
    let shared = Shared::new(limiter);
    let permit = shared.try_acquire(()).unwrap();
    let mut unpolled = task::spawn(shared.acquire(()));
    assert_pending!(unpolled.poll());
    let next = tokio::spawn({
        let shared = shared.clone();
        async move {
            let _permit = shared.acquire(()).await.unwrap();
            now()
        }
    });
    settle().await;
    let start = now();
    drop(permit);
    assert_eq!(next.await.unwrap() - start, SHELF_LIFE);
    assert_eq!(ledger.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn select_with_a_branch_that_is_not_polled_stalls_no_one() {
    let shared = Shared::new(Tokens::new(1, ms(10)));
    drop(shared.try_acquire(1).unwrap().spend());
    let mut kept = Box::pin(shared.acquire(1));
    tokio::select! {
        biased;
        _ = &mut kept => unreachable!("not due"),
        () = std::future::ready(()) => {}
    }
    // `kept` is still in line, and won't be polled while this task waits for something else.
    let start = now();
    shared.acquire(1).await.unwrap().spend();
    assert_eq!(now() - start, ms(20));
    kept.await.unwrap().spend();
    assert_eq!(now() - start, ms(20), "its grant was there for the taking");
}

/// `FuturesUnordered` and `buffer_unordered` poll nothing while their consumer is busy.
#[tokio::test(start_paused = true)]
async fn requests_behind_a_slow_loop_stall_no_one_and_leave_no_burst() {
    let (limiter, ledger) = Ledger::of(Tokens::new(1, ms(10)));
    let shared = Shared::new(limiter);
    let mut slow: Vec<_> = (0..50).map(|_| task::spawn(shared.acquire(1))).collect();
    assert_ready_ok!(slow.remove(0).poll()).spend();
    for acquire in &mut slow {
        assert_pending!(acquire.poll());
    }
    let others = tokio::spawn({
        let shared = shared.clone();
        async move {
            let mut times = Vec::new();
            for _ in 0..20 {
                shared.acquire(1).await.unwrap().spend();
                times.push(now());
            }
            times
        }
    });
    settle().await;
    let start = now();
    // For two seconds nobody polls them: every grant of theirs lapses, and goes round.
    let times = others.await.unwrap();
    let late = *times.last().unwrap() - start;
    assert!(late < secs(2), "{late:?}");

    // Those who come back get no more than what is on the shelf at once.
    let at_once = slow.iter_mut().filter_map(|acquire| match acquire.poll() {
        std::task::Poll::Ready(permit) => Some(permit.unwrap().spend()),
        std::task::Poll::Pending => None,
    });
    let at_once = at_once.count();
    assert!(at_once <= 1 + 10, "{at_once} left in one burst");
    for acquire in slow {
        drop(acquire);
    }
    assert_eq!(shared.snapshot().waiting, 0);
    assert_eq!(
        ledger.held(),
        1 + 20 + at_once,
        "what was spent, and nothing else"
    );
}

#[tokio::test(start_paused = true)]
async fn both_patiences_stand_in_one_line() {
    let (limiter, _ledger) = Ledger::of((Gate::Closed, Tokens::new(1, ms(10))));
    let queue = tower_throttle_core::Queue::new().max_wait(secs(60));
    let shared = Shared::with_queue(limiter, queue);
    let (probe, handle) = Probe::roomy();
    let (sender, receiver) = mpsc::unbounded_channel();
    for name in (0..10).step_by(2) {
        join(&shared, ((), 1), name, &sender);
        let mut ready = BackpressureLayer::new(shared.clone()).layer(probe.clone());
        let sender = sender.clone();
        let start = now();
        tokio::spawn(async move {
            ready.ready().await.unwrap().call(name + 1).await.unwrap();
            sender.send((name + 1, now() - start)).unwrap();
        });
        settle().await;
    }
    drop(sender);
    assert_eq!(shared.snapshot().waiting, 10);
    jump(secs(5)).await;
    shared.update(|both, _| both.limiter.0 = Gate::Open);
    let passed = collect(receiver).await;
    let due = |name: u32| (name, secs(5) + ms(10) * name);
    let expected: Vec<_> = (0..10).map(due).collect();
    assert_eq!(
        passed.iter().map(|one| one.0).collect::<Vec<_>>(),
        (0..10).collect::<Vec<_>>()
    );
    // Dated back by as much as it may be: the bucket was full when the gate opened.
    for ((_, at), (name, due)) in passed.into_iter().zip(expected) {
        assert!(
            at <= due && due - at <= ms(10),
            "{name}: {at:?} for {due:?}"
        );
    }
    assert_eq!(handle.calls(), [1, 3, 5, 7, 9]);
}

/// A tombstone for each of them would have to be stepped over.
#[tokio::test(start_paused = true)]
async fn after_ten_thousand_gave_up_the_next_grant_comes_on_time() {
    let (limiter, ledger) = Ledger::of(Tokens::new(1, ms(10)));
    let queue = tower_throttle_core::Queue::new().max_waiting(usize::MAX);
    let shared = Shared::with_queue(limiter, queue);
    drop(shared.try_acquire(1).unwrap().spend());
    let mut waiting: Vec<_> = (0..10_000)
        .map(|_| task::spawn(shared.acquire(1)))
        .collect();
    for acquire in &mut waiting {
        assert_pending!(acquire.poll());
    }
    let mut last = task::spawn(shared.acquire(1));
    assert_pending!(last.poll());
    assert_eq!(shared.snapshot().waiting, 10_001);
    assert_eq!(shared.snapshot().waiting_cost, 10_001);
    drop(waiting);
    assert_eq!(shared.snapshot().waiting, 1);
    assert_eq!(shared.snapshot().waiting_cost, 1);

    jump(ms(10)).await;
    assert!(last.is_woken());
    assert_ready_ok!(last.poll()).spend();
    assert_eq!((ledger.taken(), ledger.cancelled()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn places_are_given_up_from_the_middle_and_from_the_end() {
    let shared = Shared::new(Tokens::new(1, ms(10)));
    drop(shared.try_acquire(1).unwrap().spend());
    let mut waiting: Vec<_> = (0..100)
        .map(|_| Some(task::spawn(shared.acquire(1))))
        .collect();
    for acquire in waiting.iter_mut().flatten() {
        assert_pending!(acquire.poll());
    }
    // Every third stays, in an order of leaving that is neither forwards nor backwards.
    for index in (0..100)
        .map(|n| n * 37 % 100)
        .filter(|index| index % 3 != 0)
    {
        waiting[index] = None;
    }
    assert_eq!(shared.snapshot().waiting, 34);
    for acquire in waiting.iter_mut().flatten() {
        assert!(!acquire.is_woken());
        jump(ms(10)).await;
        assert!(acquire.is_woken());
        assert_ready_ok!(acquire.poll()).spend();
    }
    assert_eq!(shared.snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_again_after_giving_up_stands_at_the_end() {
    let shared = Shared::new(Slots::new(1));
    let permit = shared.try_acquire(()).unwrap();
    let mut first = task::spawn(shared.acquire(()));
    let mut second = task::spawn(shared.acquire(()));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    drop(first);
    let mut first = task::spawn(shared.acquire(()));
    assert_pending!(first.poll());
    drop(permit);
    assert!(second.is_woken() && !first.is_woken());
    let permit: Permit<_> = assert_ready_ok!(second.poll());
    assert_pending!(first.poll());
    drop(permit);
    let _permit = assert_ready_ok!(first.poll());
}
