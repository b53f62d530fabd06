//! The adapter that waits in `poll_ready`.

use std::future::{Ready, ready};

use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{
    BoxError, Layer, Service, ServiceExt,
    buffer::Buffer,
    limit::ConcurrencyLimit,
    load_shed::{LoadShed, error::Overloaded},
    service_fn,
};
use tower_test::mock;
use tower_throttle_core::{BackpressureLayer, LimitLayer, SHELF_LIFE, Shared, track::Tracked};

use crate::probe::{Ledger, Probe, Slots, Stuck, Tokens, jump, ms, secs};

fn learns_nothing<Err>(_: Result<&u32, &Err>) -> Option<u32> {
    None
}

#[tokio::test(start_paused = true)]
async fn only_what_was_polled_ready_is_called() {
    let shared = Shared::new(Tokens::new(2, ms(10)));
    let (probe, handle) = Probe::new(1);
    let mut service = BackpressureLayer::new(shared).layer(probe);
    for request in 0..10 {
        let response = service.ready().await.unwrap().call(request).await;
        assert_eq!(
            response,
            Ok(request),
            "the error type is the inner service's own"
        );
    }
    assert_eq!(handle.calls(), (0..10).collect::<Vec<_>>());
    assert_eq!(handle.clones(), 0);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "polled ready")]
async fn a_call_without_readiness_panics() {
    let (probe, _handle) = Probe::new(1);
    let shared = Shared::new(Tokens::new(1, secs(1)));
    drop(BackpressureLayer::new(shared).layer(probe).call(1));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "polled ready")]
async fn a_service_is_not_ready_for_a_second_call() {
    let (probe, _handle) = Probe::new(2);
    let shared = Shared::new(Tokens::new(2, secs(1)));
    let mut service = BackpressureLayer::new(shared).layer(probe);
    drop(service.ready().await.unwrap().call(1));
    drop(service.call(2));
}

/// A slot of the inner service must not be held while a request is being paced, as
/// tower-resilience's limiter does.
#[tokio::test(start_paused = true)]
async fn the_inner_service_is_asked_only_once_the_permit_is_there() {
    let shared = Shared::new(Tokens::new(1, secs(1)));
    let (probe, handle) = Probe::new(1);
    let mut service = BackpressureLayer::new(shared).layer(probe);
    drop(service.ready().await.unwrap().call(1));

    let mut ready = task::spawn(service.ready());
    assert_pending!(ready.poll());
    assert_eq!(handle.reserved(), 0);
    jump(secs(1)).await;
    assert!(ready.is_woken());
    assert_ready_ok!(ready.poll());
    assert_eq!(handle.reserved(), 1);
}

#[tokio::test(start_paused = true)]
async fn readiness_holds_one_permit_however_often_it_is_asked_for() {
    let (limiter, ledger) = Ledger::of(Tokens::new(5, secs(1)));
    let (probe, _handle) = Probe::new(1);
    let mut service = BackpressureLayer::new(Shared::new(limiter)).layer(probe);
    for _ in 0..5 {
        service.ready().await.unwrap();
    }
    assert_eq!(ledger.held(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clone_starts_without_the_permit() {
    let (limiter, ledger) = Ledger::of(Slots::new(1));
    let shared = Shared::new(limiter);
    let (probe, _handle) = Probe::roomy();
    let track = Tracked::new(learns_nothing);
    let mut service = BackpressureLayer::new(shared).track(track).layer(probe);
    service.ready().await.unwrap();

    let mut clone = task::spawn(service.clone());
    assert_pending!(clone.enter(|cx, mut clone| clone.poll_ready(cx)));
    assert_eq!(ledger.held(), 1);
    service.call(1).await.unwrap();
    assert!(clone.is_woken());
    assert_ready_ok!(clone.enter(|cx, mut clone| clone.poll_ready(cx)));
}

#[tokio::test(start_paused = true)]
async fn a_clone_starts_without_the_place_in_line() {
    let shared = Shared::new(Tokens::new(1, secs(1)));
    let (probe, _handle) = Probe::roomy();
    let layer = BackpressureLayer::new(shared.clone());
    drop(layer.layer(probe.clone()).ready().await.unwrap().call(0));
    let mut first = task::spawn(layer.layer(probe.clone()));
    assert_pending!(first.enter(|cx, mut first| first.poll_ready(cx)));
    let mut second = task::spawn(layer.layer(probe));
    assert_pending!(second.enter(|cx, mut second| second.poll_ready(cx)));
    let mut clone = task::spawn(first.clone());
    assert_eq!(shared.snapshot().waiting, 2);
    assert_pending!(clone.enter(|cx, mut clone| clone.poll_ready(cx)));
    assert_eq!(shared.snapshot().waiting, 3);

    drop(first);
    jump(secs(1)).await;
    assert!(second.is_woken());
    assert!(!clone.is_woken());
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_dies_gives_the_permit_back() {
    let (limiter, ledger) = Ledger::of(Slots::new(1));
    let (probe, handle) = Probe::new(0);
    let track = Tracked::new(learns_nothing);
    let layer = BackpressureLayer::new(Shared::new(limiter)).track(track);
    let mut service = task::spawn(layer.layer(probe));
    assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
    assert_eq!(ledger.held(), 1);
    handle.fail();
    let error = assert_ready_err!(service.enter(|cx, mut service| service.poll_ready(cx)));
    assert_eq!(error, Stuck);
    assert_eq!((ledger.held(), ledger.cancelled()), (0, 1));
}

/// tower#408: an idle clone that is ready keeps its permit for ever, and nobody else can have it.
/// Here it lasts until the clone is dropped; a clone that is not ready yet lends it out.
#[tokio::test(start_paused = true)]
async fn a_permit_is_lent_to_others_while_the_inner_service_is_not_ready() {
    let (limiter, ledger) = Ledger::of(Slots::new(1));
    let shared = Shared::new(limiter);
    let (probe, handle) = Probe::new(0);
    let track = Tracked::new(learns_nothing);
    let layer = BackpressureLayer::new(shared.clone()).track(track);
    let mut stuck = task::spawn(layer.layer(probe));
    assert_pending!(stuck.enter(|cx, mut stuck| stuck.poll_ready(cx)));

    let mut other = task::spawn(shared.acquire(()));
    assert_pending!(other.poll());
    jump(SHELF_LIFE).await;
    assert!(other.is_woken());
    let permit = assert_ready_ok!(other.poll());

    handle.open(1);
    assert!(stuck.is_woken());
    assert_pending!(stuck.enter(|cx, mut stuck| stuck.poll_ready(cx)));
    assert_eq!(
        handle.reserved(),
        0,
        "it has no permit, so it holds no slot"
    );
    drop(permit);
    assert!(stuck.is_woken());
    assert_ready_ok!(stuck.enter(|cx, mut stuck| stuck.poll_ready(cx)));
    assert_eq!(ledger.held(), 1);
}

/// tower#408 again: load shedding polls a clone, is told to wait, and never polls it again.
#[tokio::test(start_paused = true)]
async fn load_shedding_above_leaves_nothing_behind_that_stalls_others() {
    let (limiter, ledger) = Ledger::of(Slots::new(1));
    let shared = Shared::new(limiter);
    let (probe, _handle) = Probe::roomy();
    let track = Tracked::new(learns_nothing);
    let layer = BackpressureLayer::new(shared.clone()).track(track);
    let mut shedding = LoadShed::new(layer.layer(probe));

    let busy = shared.try_acquire(()).unwrap().spend();
    let error = shedding.ready().await.unwrap().call(1).await.unwrap_err();
    assert!(error.is::<Overloaded>());
    assert_eq!(shared.snapshot().waiting, 1);

    let mut other = task::spawn(shared.acquire(()));
    assert_pending!(other.poll());
    drop(busy);
    assert_pending!(other.poll(), "the idle clone was first");
    jump(SHELF_LIFE).await;
    drop(assert_ready_ok!(other.poll()));

    let response = shedding.ready().await.unwrap().call(2).await;
    assert_eq!(response.unwrap(), 2);
    assert_eq!(ledger.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn it_works_under_a_buffer() {
    let (probe, handle) = Probe::new(1);
    let layer = BackpressureLayer::new(Shared::new(Tokens::new(1, ms(10))));
    let buffer = Buffer::new(layer.layer(probe), 8);
    let start = crate::probe::now();
    let calls = (0..5).map(|request| {
        let buffer = buffer.clone();
        tokio::spawn(buffer.oneshot(request))
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let times = handle.times().into_iter().map(|at| at - start);
    assert!(times.eq((0..5).map(|n| ms(10 * n))));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_service_becomes_ready_over_services_that_reserve() {
    let shared = Shared::new(Tokens::new(1, secs(3600)));
    let layer = BackpressureLayer::new(shared);
    let echo = |request: u32| ready(Ok::<_, BoxError>(request));
    let mut limited = layer.layer(ConcurrencyLimit::new(service_fn(echo), 1));
    let mut buffered = layer.layer(Buffer::new(service_fn(echo), 1));
    let mut shed = layer.layer(LoadShed::new(ConcurrencyLimit::new(service_fn(echo), 1)));
    for request in 0..3 {
        assert_eq!(
            limited.ready().await.unwrap().call(request).await.unwrap(),
            request
        );
        assert_eq!(
            buffered.ready().await.unwrap().call(request).await.unwrap(),
            request
        );
        assert_eq!(
            shed.ready().await.unwrap().call(request).await.unwrap(),
            request
        );
    }
}

/// `tower::limit::RateLimit` panics when it is made outside a runtime.
#[test]
fn a_service_can_be_made_and_polled_ready_outside_a_runtime() {
    let (probe, handle) = Probe::new(1);
    let mut service = BackpressureLayer::new(Shared::new(Tokens::new(1, ms(50)))).layer(probe);
    let mut noop = task::spawn(());
    assert_ready_ok!(noop.enter(|cx, _| service.poll_ready(cx)));
    drop(service.call(1));

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime
        .block_on(async { service.ready().await.unwrap().call(2).await })
        .unwrap();
    assert_eq!(handle.calls(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn both_forms_made_from_one_layer_stand_in_one_line() {
    let shared = Shared::new(Tokens::new(1, secs(1)));
    let (probe, handle) = Probe::roomy();
    let layer = LimitLayer::new(shared.clone());
    let mut future = layer.layer(probe.clone());
    let mut ready = layer.backpressure().layer(probe);
    let _spent = shared.try_acquire(1).unwrap().spend();

    let mut first = task::spawn(future.ready().await.unwrap().call(1));
    let mut second = task::spawn(ready.ready());
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    let mut third = task::spawn(future.ready().await.unwrap().call(3));
    assert_pending!(third.poll());
    assert_eq!(shared.snapshot().waiting, 3);

    jump(secs(1)).await;
    assert!(first.is_woken() && !second.is_woken() && !third.is_woken());
    assert_ready_ok!(first.poll());
    jump(secs(1)).await;
    assert!(second.is_woken() && !third.is_woken());
    drop(assert_ready_ok!(second.poll()).call(2));
    jump(secs(1)).await;
    assert_ready_ok!(third.poll());
    assert_eq!(handle.calls(), [1, 2, 3]);
}

/// The future is the inner service's own where nothing is learnt.
#[tokio::test(start_paused = true)]
async fn an_untracked_call_is_the_inner_services_own_future() {
    let (probe, _handle) = Probe::new(1);
    let layer = BackpressureLayer::new(Shared::new(Tokens::new(1, secs(1))));
    let mut service = layer.layer(probe);
    let call: Ready<Result<u32, Stuck>> = service.ready().await.unwrap().call(1);
    assert_eq!(call.await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn taking_the_inner_service_out_gives_the_permit_back() {
    let (limiter, ledger) = Ledger::of(Slots::new(1));
    let (service, _handle) = mock::pair::<u32, u32>();
    let track = Tracked::new(learns_nothing);
    let layer = BackpressureLayer::new(Shared::new(limiter)).track(track);
    let mut service = layer.layer(service);
    service.ready().await.unwrap();
    assert_eq!(ledger.held(), 1);
    let mut noop = task::spawn(());
    assert_ready!(noop.enter(|cx, _| service.get_mut().poll_ready(cx))).unwrap();
    let _inner = service.into_inner();
    assert_eq!((ledger.held(), ledger.cancelled()), (0, 1));
}
