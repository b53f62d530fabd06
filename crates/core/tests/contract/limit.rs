//! The adapter whose requests wait in their response futures.

use std::{convert::Infallible, future::ready};

use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt, buffer::Buffer, limit::ConcurrencyLimit,
    load_shed::LoadShed, service_fn, util::BoxCloneService,
};
use tower_throttle_core::{BoxError, LimitLayer, Queue, Rejected, Shared, Why, track::Tracked};

use crate::probe::{Ledger, Probe, Slots, Stuck, Tokens, ms, secs};

fn hourly() -> Shared<Tokens> {
    Shared::new(Tokens::new(1, secs(3600)))
}

/// Clones that are called though only the original was polled ready: tower-resilience had it in
/// every crate.
#[tokio::test(start_paused = true)]
async fn only_what_was_polled_ready_is_called() {
    let shared = Shared::new(Tokens::new(2, ms(10)));
    let (probe, handle) = Probe::new(1);
    let mut service = LimitLayer::new(shared).layer(probe);

    let mut calls = Vec::new();
    for request in 0..10 {
        calls.push(service.ready().await.unwrap().call(request));
    }
    for (request, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap(), request);
    }
    assert_eq!(handle.calls(), (0..10).collect::<Vec<_>>());
    assert_eq!(handle.reserved(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_passes_at_once_is_sent_by_the_readied_service_itself() {
    let (probe, handle) = Probe::roomy();
    let mut service = LimitLayer::new(hourly()).layer(probe);

    let call = service.ready().await.unwrap().call(1);
    assert_eq!(handle.calls(), [1], "sent before the future is polled");
    assert_eq!(call.await.unwrap(), 1);
    assert_eq!(handle.clones(), 0);
}

/// The prototype left the readied service in place: a reservation that nobody was going to use.
#[tokio::test(start_paused = true)]
async fn a_request_that_waits_keeps_nothing_of_the_inner_service_reserved() {
    let (probe, handle) = Probe::new(1);
    let mut service = LimitLayer::new(hourly()).layer(probe);
    service.ready().await.unwrap().call(1).await.unwrap();

    let mut waiting = task::spawn(service.ready().await.unwrap().call(2));
    assert_eq!(handle.reserved(), 0);
    assert_pending!(waiting.poll());
    assert_eq!(handle.reserved(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_keeps_nothing_of_the_inner_service_reserved() {
    let queue = Queue::new().max_waiting(0);
    let shared = Shared::with_queue(Tokens::new(1, secs(1)), queue);
    let (probe, handle) = Probe::new(1);
    let mut service = LimitLayer::new(shared).layer(probe);
    service.ready().await.unwrap().call(1).await.unwrap();

    let refused = service.ready().await.unwrap().call(2);
    assert_eq!(handle.reserved(), 0);
    let error = refused.await.unwrap_err();
    let rejected = error.downcast_ref::<Rejected>().unwrap();
    assert_eq!(rejected.why(), Why::Full);
    assert_eq!(handle.calls(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_filter_passes_needs_no_permit() {
    let (limiter, ledger) = Ledger::of(Tokens::new(1, secs(3600)));
    let (probe, handle) = Probe::new(1);
    let layer = LimitLayer::new(Shared::new(limiter)).filter(|request: &u32| *request >= 10);
    let mut service = layer.layer(probe);

    for request in [10, 1, 2, 3] {
        service.ready().await.unwrap().call(request).await.unwrap();
    }
    assert_eq!(ledger.taken(), 1);
    assert_eq!(handle.calls(), [10, 1, 2, 3]);
    assert_eq!(handle.clones(), 0);
}

#[tokio::test(start_paused = true)]
async fn readiness_is_the_inner_services_own() {
    let (probe, handle) = Probe::new(0);
    let shared = hourly();
    let _spent = shared.try_acquire(1).unwrap().spend();
    let mut service = task::spawn(LimitLayer::new(shared).layer(probe));

    assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
    handle.open(1);
    assert!(service.is_woken());
    assert_ready!(service.enter(|cx, mut service| service.poll_ready(cx))).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_clone_is_called_only_after_it_was_polled_ready_itself() {
    let (probe, handle) = Probe::new(2);
    let mut service = LimitLayer::new(hourly()).layer(probe);
    service.ready().await.unwrap();
    let mut clone = service.clone();
    assert_eq!(handle.reserved(), 1);

    clone.ready().await.unwrap();
    assert_eq!(handle.reserved(), 2);
    drop(service);
    assert_eq!(handle.reserved(), 1);
    clone.call(1).await.unwrap();
    assert_eq!(handle.reserved(), 0);
}

/// The deadlock of the prototype, over the services that reserve in `poll_ready`.
#[tokio::test(start_paused = true)]
async fn a_waiting_request_finishes_over_a_concurrency_limit_of_one() {
    let inner = ConcurrencyLimit::new(service_fn(echo), 1);
    finishes_while_the_service_lives(inner).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_request_finishes_over_a_buffer_of_one() {
    finishes_while_the_service_lives(Buffer::new(service_fn(echo), 1)).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_service_does_not_make_load_shedding_shed() {
    let inner = LoadShed::new(ConcurrencyLimit::new(service_fn(echo), 1));
    finishes_while_the_service_lives(inner).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_request_finishes_over_a_boxed_service() {
    let inner = ConcurrencyLimit::new(service_fn(echo), 1);
    finishes_while_the_service_lives(BoxCloneService::new(inner)).await;
}

async fn echo(request: u32) -> Result<u32, BoxError> {
    Ok(request)
}

async fn finishes_while_the_service_lives<S>(inner: S)
where
    S: Service<u32, Response = u32> + Clone,
    S::Error: Into<BoxError>,
{
    let shared = hourly();
    let mut service = LimitLayer::new(shared.clone()).layer(inner);
    for request in 1..=3 {
        let call = service.ready().await.unwrap().call(request);
        assert_eq!(call.await.unwrap(), request);
    }
    // Several clones, each with a request of its own in line.
    let mut clones = vec![service.clone(), service.clone(), service.clone()];
    let mut calls = Vec::new();
    for (request, clone) in (4..).zip(&mut clones) {
        calls.push(clone.ready().await.unwrap().call(request));
    }
    for (request, call) in (4..).zip(calls) {
        assert_eq!(call.await.unwrap(), request);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_inner_service_keeps_its_type_inside_the_box() {
    let (probe, handle) = Probe::new(1);
    let mut service = LimitLayer::new(hourly()).layer(probe.clone());
    service.ready().await.unwrap().call(1).await.unwrap();
    let mut waiting = task::spawn(service.ready().await.unwrap().call(2));
    assert_pending!(waiting.poll());

    handle.fail();
    let error = service.ready().await.map(|_| ()).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Stuck), "from poll_ready");

    tokio::time::advance(secs(3600)).await;
    let error = assert_ready_err!(waiting.poll());
    assert_eq!(
        error.downcast_ref(),
        Some(&Stuck),
        "from a request that waited"
    );

    let failing = service_fn(|_: u32| ready(Err::<u32, _>(Stuck)));
    let mut service = LimitLayer::new(hourly()).layer(failing);
    let error = service.ready().await.unwrap().call(1).await.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Stuck), "from the call");
}

/// `Infallible` stacks could not take tower-resilience's limiters.
#[tokio::test(start_paused = true)]
async fn with_on_reject_the_error_type_is_the_inner_services_own() {
    let queue = Queue::new().max_wait(ms(0));
    let shared = Shared::with_queue(Tokens::new(1, secs(1)), queue);
    let mut service = ServiceBuilder::new()
        .layer(LimitLayer::new(shared).on_reject(|rejected: Rejected| {
            assert_eq!(rejected.why(), Why::TooLong);
            429
        }))
        .service(service_fn(|request: u32| {
            ready(Ok::<_, Infallible>(request))
        }));

    let Ok(response) = service.ready().await.unwrap().call(200).await;
    assert_eq!(response, 200);
    let Ok(response) = service.ready().await.unwrap().call(200).await;
    assert_eq!(response, 429);
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_dies_while_a_granted_request_gets_it_ready_gives_the_permit_back() {
    let (limiter, ledger) = Ledger::of(Slots::new(1));
    let shared = Shared::new(limiter);
    let (probe, handle) = Probe::new(1);
    let track = Tracked::new(|_: Result<&u32, &Stuck>| None);
    let mut service = LimitLayer::new(shared.clone()).track(track).layer(probe);

    let first = shared.try_acquire(()).unwrap();
    let mut waiting = task::spawn(service.ready().await.unwrap().call(2));
    assert_pending!(waiting.poll());
    handle.fail();
    drop(first);
    assert!(waiting.is_woken());
    let error = assert_ready_err!(waiting.poll());
    assert_eq!(error.downcast_ref(), Some(&Stuck));
    // While the future is still there.
    assert_eq!(ledger.held(), 0);
    assert_eq!(ledger.cancelled(), 2);
}

#[test]
fn a_layer_works_that_was_made_outside_a_runtime() {
    let layer = LimitLayer::new(Shared::new(Tokens::new(1, ms(50))));
    let (probe, handle) = Probe::new(1);
    let service = layer.layer(probe);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        for request in 0..3 {
            service.clone().oneshot(request).await.unwrap();
        }
    });
    assert_eq!(handle.calls(), [0, 1, 2]);
}

/// tower-service: `call` may be called off task.
#[test]
fn a_request_made_outside_a_runtime_is_answered_on_one() {
    let (probe, handle) = Probe::new(1);
    let mut service = LimitLayer::new(Shared::new(Tokens::new(1, ms(50)))).layer(probe);
    let mut ready = task::spawn(());
    let mut calls = Vec::new();
    for request in 0..3 {
        assert_ready_ok!(ready.enter(|cx, _| service.poll_ready(cx)));
        calls.push(service.call(request));
    }
    assert_eq!(handle.calls(), [0]);

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        for call in calls {
            call.await.unwrap();
        }
    });
    assert_eq!(handle.calls(), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn clones_of_a_layer_and_all_their_services_share_one_limiter() {
    let (limiter, ledger) = Ledger::of(Tokens::new(2, secs(3600)));
    let layer = LimitLayer::new(Shared::new(limiter));
    let (probe, _handle) = Probe::roomy();
    // As axum does it: a clone of the layer for each route, a clone of the service for each request.
    let services = [
        layer.clone().layer(probe.clone()),
        layer.clone().layer(probe),
    ];
    let mut calls = Vec::new();
    for service in services.iter().chain(&services) {
        let mut service = service.clone();
        calls.push(task::spawn(service.ready().await.unwrap().call(1)));
    }
    let done = calls
        .iter_mut()
        .filter_map(|call| call.poll().is_ready().then_some(()));
    assert_eq!(done.count(), 2);
    assert_eq!(ledger.taken(), 2);
    assert_eq!(layer.limiter().snapshot().waiting, 2);
}

#[tokio::test(start_paused = true)]
async fn the_inner_service_can_be_reached() {
    let (probe, handle) = Probe::new(1);
    let mut service = LimitLayer::new(hourly()).layer(probe);
    service.get_mut().ready().await.unwrap();
    assert_eq!(handle.reserved(), 1);
    let _: &Probe = service.get_ref();
    let _: Probe = service.into_inner();
    assert_eq!(handle.reserved(), 0);
}
