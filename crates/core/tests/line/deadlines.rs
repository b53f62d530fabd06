//! Where nothing can be predicted, `max_wait` is a deadline.

use std::time::Duration;

use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};
use tower_throttle_core::{BackpressureLayer, Queue, SHELF_LIFE, Shared, Why, track::Tracked};

use crate::probe::{Gate, Ledger, Probe, Slots, Stuck, Tokens, jump, ms, now, secs};

fn busy(max_wait: Duration) -> (Shared<Slots>, tower_throttle_core::Permit<Slots>) {
    let shared = Shared::with_queue(Slots::new(1), Queue::new().max_wait(max_wait));
    let permit = shared.try_acquire(()).unwrap();
    (shared, permit)
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_for_max_wait_is_refused() {
    let (shared, _permit) = busy(secs(1));
    let start = now();
    let rejected = shared.acquire(()).await.unwrap_err();
    assert_eq!(now() - start, secs(1));
    assert_eq!(rejected.why(), Why::TooLong);
    assert_eq!(rejected.waited(), secs(1));
    assert_eq!(rejected.retry_after(), None, "nobody knows");
    assert_eq!(shared.snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn each_has_a_deadline_of_its_own() {
    let (shared, _permit) = busy(secs(1));
    let mut line = Vec::new();
    for _ in 0..4 {
        let mut acquire = task::spawn(shared.acquire(()));
        assert_pending!(acquire.poll());
        line.push(acquire);
        jump(ms(300)).await;
    }
    // 1.2 s have passed.
    assert!(line[0].is_woken() && !line[1].is_woken());
    jump(ms(100) - Duration::from_nanos(1)).await;
    assert!(!line[1].is_woken());
    jump(Duration::from_nanos(1)).await;
    assert!(line[1].is_woken() && !line[2].is_woken());
    assert_eq!(
        assert_ready!(line[0].poll()).unwrap_err().waited(),
        ms(1300)
    );
    assert_eq!(assert_ready!(line[1].poll()).unwrap_err().waited(), secs(1));
    assert_pending!(line[2].poll());
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_back_in_the_last_instant_is_not_too_late() {
    let (shared, permit) = busy(secs(1));
    let mut acquire = task::spawn(shared.acquire(()));
    assert_pending!(acquire.poll());
    jump(secs(1) - Duration::from_nanos(1)).await;
    drop(permit);
    tokio::time::advance(Duration::from_nanos(1)).await;
    let _permit = assert_ready_ok!(acquire.poll());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_nobody_polls_for_is_kept_all_the_same() {
    let (shared, permit) = busy(secs(1));
    let mut unpolled = task::spawn(shared.acquire(()));
    assert_pending!(unpolled.poll());
    jump(secs(1)).await;
    assert_eq!(shared.snapshot().waiting, 0);
    drop(permit);
    let _free = shared.try_acquire(()).unwrap();
    let rejected = assert_ready!(unpolled.poll()).unwrap_err();
    assert_eq!(rejected.why(), Why::TooLong);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_passes_while_a_grant_has_lapsed() {
    let (shared, permit) = busy(ms(150));
    let mut acquire = task::spawn(shared.acquire(()));
    assert_pending!(acquire.poll());
    drop(permit);
    jump(SHELF_LIFE).await;
    let _permit = shared.try_acquire(()).unwrap();
    jump(SHELF_LIFE).await;
    let rejected = assert_ready!(acquire.poll()).unwrap_err();
    assert_eq!(rejected.waited(), ms(200), "it did not ask earlier");
}

/// Only the wait is limited: whoever was granted in time may take its time to fetch it.
#[tokio::test(start_paused = true)]
async fn a_grant_in_time_is_not_taken_back_by_the_deadline() {
    let (shared, permit) = busy(secs(1));
    let mut acquire = task::spawn(shared.acquire(()));
    assert_pending!(acquire.poll());
    jump(ms(950)).await;
    drop(permit);
    jump(ms(90)).await;
    let _permit = assert_ready_ok!(acquire.poll());
}

#[tokio::test(start_paused = true)]
async fn services_with_backpressure_have_no_deadline() {
    let (shared, permit) = busy(secs(1));
    let (probe, _handle) = Probe::roomy();
    let track = Tracked::new(|_: Result<&u32, &Stuck>| None);
    let mut patient = task::spawn(
        BackpressureLayer::new(shared.clone())
            .track(track)
            .layer(probe),
    );
    assert_pending!(patient.enter(|cx, mut patient| patient.poll_ready(cx)));
    let mut limited = task::spawn(shared.acquire(()));
    assert_pending!(limited.poll());
    jump(secs(1)).await;
    assert!(limited.is_woken() && !patient.is_woken());
    assert_ready!(limited.poll()).unwrap_err();
    jump(secs(3600)).await;
    assert!(!patient.is_woken());
    drop(permit);
    assert!(patient.is_woken());
    patient.ready().await.unwrap().call(1).await.unwrap();
}

/// They can't be told no; and they hold up those behind them for no longer than these may wait.
#[tokio::test(start_paused = true)]
async fn a_full_line_and_a_closed_door_turn_no_patient_service_away() {
    let queue = Queue::new().max_waiting(0).max_wait(Duration::ZERO);
    let shared = Shared::with_queue(Gate::Bricked, queue);
    let (probe, _handle) = Probe::roomy();
    let mut patient = task::spawn(BackpressureLayer::new(shared.clone()).layer(probe));
    assert_pending!(patient.enter(|cx, mut patient| patient.poll_ready(cx)));
    assert_eq!(shared.snapshot().waiting, 1);
    shared.update(|gate, _| *gate = Gate::Open);
    assert!(patient.is_woken());
    patient.ready().await.unwrap().call(1).await.unwrap();
}

/// A pair predicts what one half can tell: a slot nobody can foresee, a token somebody can.
#[tokio::test(start_paused = true)]
async fn what_one_limit_of_two_can_tell_is_told() {
    let (limiter, ledger) = Ledger::of((Slots::new(1), Tokens::new(1, ms(100))));
    let shared = Shared::with_queue(limiter, Queue::new().max_wait(ms(150)));
    let first = shared.try_acquire(((), 1)).unwrap().spend();
    let mut second = task::spawn(shared.acquire(((), 1)));
    assert_pending!(second.poll());
    let rejected = assert_ready!(task::spawn(shared.acquire(((), 1))).poll()).unwrap_err();
    assert_eq!(rejected.retry_after(), Some(ms(200)), "for the token alone");

    jump(ms(150)).await;
    assert!(second.is_woken(), "its slot did not come");
    assert_eq!(
        assert_ready!(second.poll()).unwrap_err().why(),
        Why::TooLong
    );
    drop(first);
    assert_eq!(ledger.taken(), 1, "all or nothing");
    assert_eq!(shared.snapshot().level, Some(1));
}
