//! An inner service that is stuck must not make the limiter save up a burst.

use std::time::{Duration, Instant};

use tower::{Layer, Service, ServiceExt};
use tower_throttle_core::{LAG, LimitLayer, Queue, SHELF_LIFE, Shared};

use crate::probe::{Ledger, Probe, Tokens, jump, ms, now, secs, settle};

/// Most sends in any `window`.
fn most_within(times: &[Instant], window: Duration) -> usize {
    let within = times.iter().enumerate().map(|(index, &first)| {
        let rest = times[index..].iter();
        rest.take_while(|&&at| at - first <= window).count()
    });
    within.max().unwrap_or(0)
}

/// The prototype: 499 of 500 left within 200 ms when the inner service recovered.
#[tokio::test(start_paused = true)]
async fn no_burst_leaves_when_a_stuck_inner_service_recovers() {
    const QUEUED: usize = 500;
    let (limiter, ledger) = Ledger::of(Tokens::new(1, ms(10)));
    let shared = Shared::new(limiter);
    let (probe, handle) = Probe::roomy();
    let service = LimitLayer::new(shared.clone()).layer(probe);
    let mut calls = Vec::new();
    for request in 0..QUEUED {
        let mut service = service.clone();
        let request = u32::try_from(request).unwrap();
        let call = service.ready().await.unwrap().call(request);
        calls.push(tokio::spawn(call));
    }
    handle.open(0);
    settle().await;
    assert_eq!(handle.calls(), [0]);
    // Second by second, as timers would ring.
    let start = now();
    for _ in 0..500 {
        jump(ms(10)).await;
    }
    assert_eq!(now() - start, secs(5));
    assert_eq!(handle.calls(), [0]);

    handle.open(usize::MAX);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let times = handle.times();
    assert_eq!(times.len(), QUEUED);
    for window in [0, 1, 10, 50, 100, 200, 1000] {
        let allowed = 1 + (ms(window) + LAG + SHELF_LIFE).as_millis() / 10;
        let most = most_within(&times[1..], ms(window));
        assert!(most as u128 <= allowed, "{most} in {window} ms");
    }
    // Whoever has a grant sends at once; the others had one and let it lapse, and keep their order.
    let at_once = times.iter().filter(|&&at| at <= start + secs(5)).count();
    assert!(handle.calls()[at_once..].is_sorted(), "out of order");
    assert_eq!(ledger.held(), QUEUED, "each sent on a token of its own");
    let took = *times.last().unwrap() - times[1];
    assert!(took <= ms(10) * 500, "and none was lost: {took:?}");
}

/// A cancelled permit and a fresh one, every time at another moment: what lies on the shelf grew,
/// by a tenth of the rate every tenth of a second.
#[tokio::test(start_paused = true)]
async fn what_lies_on_the_shelf_does_not_grow() {
    for (burst, step) in [(1, 1), (1, 3), (1, 7), (5, 3), (20, 1), (20, 7), (20, 33)] {
        let (limiter, ledger) = Ledger::of(Tokens::new(burst, ms(10)));
        let shared = Shared::new(limiter);
        drop(shared.try_acquire(burst).unwrap().spend());
        let (probe, handle) = Probe::new(0);
        let layer = LimitLayer::new(shared).backpressure();
        let calls = (0..400).map(|_| tokio::spawn(layer.layer(probe.clone()).oneshot(1)));
        let calls: Vec<_> = calls.collect();
        for _ in 0..3000 / step {
            jump(ms(step)).await;
            let shelved = ledger.held() - 1;
            let most = burst as usize + 11;
            assert!(
                shelved <= most,
                "burst {burst}, {step} ms: {shelved} on the shelf"
            );
        }
        handle.open(usize::MAX);
        settle().await;
        let at_once = handle.times().len();
        assert!(
            at_once <= burst as usize + 11,
            "burst {burst}, {step} ms: {at_once} at once"
        );
        calls.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Callers with timeouts give up while they have a grant. It was as good as new in the hands of the
/// next, who gave up as well: so a token lived for as long as everything was stuck.
#[tokio::test(start_paused = true)]
async fn callers_who_give_up_do_not_make_the_shelf_grow() {
    for (burst, each) in [(1, 1), (1, 3), (5, 1), (20, 2)] {
        let (limiter, ledger) = Ledger::of(Tokens::new(burst, ms(10)));
        let queue = Queue::new().max_waiting(usize::MAX);
        let shared = Shared::with_queue(limiter, queue);
        drop(shared.try_acquire(burst).unwrap().spend());
        let (probe, handle) = Probe::new(0);
        let layer = LimitLayer::new(shared).backpressure();
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..3000 / each {
            let call = layer.layer(probe.clone()).oneshot(1);
            calls.spawn(tokio::time::timeout(ms(500), call));
            jump(ms(each)).await;
            let shelved = ledger.held() - 1;
            let most = burst as usize + 11;
            assert!(
                shelved <= most,
                "burst {burst}, every {each} ms: {shelved} on the shelf"
            );
        }
        handle.open(usize::MAX);
        settle().await;
        let at_once = handle.times().len();
        assert!(
            at_once <= burst as usize + 11,
            "burst {burst}, every {each} ms: {at_once} at once"
        );
    }
}

/// The same for services that wait in `poll_ready`.
#[tokio::test(start_paused = true)]
async fn no_burst_leaves_from_services_with_backpressure_either() {
    const QUEUED: usize = 100;
    let shared = Shared::new(Tokens::new(1, ms(10)));
    let (probe, handle) = Probe::new(0);
    let layer = LimitLayer::new(shared).backpressure();
    let calls = (0..QUEUED).map(|_| {
        let service = layer.layer(probe.clone());
        tokio::spawn(service.oneshot(1))
    });
    let calls: Vec<_> = calls.collect();
    for _ in 0..300 {
        jump(ms(10)).await;
    }
    handle.open(usize::MAX);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let times = handle.times();
    for window in [0, 10, 100, 500] {
        let allowed = 1 + (ms(window) + LAG + SHELF_LIFE).as_millis() / 10;
        let most = most_within(&times, ms(window));
        assert!(most as u128 <= allowed, "{most} in {window} ms");
    }
}
