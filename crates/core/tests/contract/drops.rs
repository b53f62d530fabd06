//! Every point at which something can be dropped gives back exactly what was held.

use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};
use tower_test::mock;
use tower_throttle_core::{
    BackpressureLayer, BoxError, LimitLayer, SHELF_LIFE, Shared, track::Tracked,
};

use crate::probe::{Ledger, Probe, Recorded, Slots, Stuck, Tokens, jump, ms, secs};

type Mock = mock::Mock<u32, u32>;

fn slots(limit: u32) -> (Shared<Recorded<Slots>>, Ledger) {
    let (limiter, ledger) = Ledger::of(Slots::new(limit));
    (Shared::new(limiter), ledger)
}

fn learns_nothing<Err>(_: Result<&u32, &Err>) -> Option<u32> {
    None
}

#[tokio::test(start_paused = true)]
async fn dropped_before_it_was_polled_it_leaves_the_line() {
    let (shared, ledger) = slots(1);
    let (probe, _handle) = Probe::roomy();
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(learns_nothing));
    let mut service = layer.layer(probe);
    let held = shared.try_acquire(()).unwrap();

    let call = service.ready().await.unwrap().call(1);
    assert_eq!(
        shared.snapshot().waiting,
        1,
        "it stands in line once it was called"
    );
    drop(call);
    assert_eq!(shared.snapshot().waiting, 0);
    drop(held);
    assert_eq!((ledger.taken(), ledger.held()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn dropped_while_it_waits_it_leaves_the_line() {
    let (shared, ledger) = slots(1);
    let (probe, _handle) = Probe::roomy();
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(learns_nothing));
    let mut service = layer.layer(probe.clone());
    let held = shared.try_acquire(()).unwrap();

    let mut call = task::spawn(service.ready().await.unwrap().call(1));
    assert_pending!(call.poll());
    let mut ready = task::spawn(
        BackpressureLayer::new(shared.clone())
            .track(Tracked::new(learns_nothing))
            .layer(probe),
    );
    assert_pending!(ready.enter(|cx, mut ready| ready.poll_ready(cx)));
    let mut acquire = task::spawn(shared.acquire(()));
    assert_pending!(acquire.poll());
    assert_eq!(shared.snapshot().waiting, 3);

    drop(call);
    assert_eq!(shared.snapshot().waiting, 2);
    drop(ready);
    assert_eq!(shared.snapshot().waiting, 1);
    drop(acquire);
    assert_eq!(shared.snapshot().waiting, 0);
    drop(held);
    assert_eq!(
        (ledger.taken(), ledger.cancelled(), ledger.held()),
        (1, 1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn dropped_between_the_grant_and_the_next_poll_it_gives_the_permit_to_the_next() {
    let (shared, ledger) = slots(1);
    let (probe, handle) = Probe::roomy();
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(learns_nothing));
    let mut service = layer.layer(probe);
    let held = shared.try_acquire(()).unwrap();
    let mut first = task::spawn(service.ready().await.unwrap().call(1));
    let mut second = task::spawn(service.ready().await.unwrap().call(2));
    assert_pending!(first.poll());
    assert_pending!(second.poll());

    drop(held);
    assert!(first.is_woken() && !second.is_woken());
    assert_eq!(ledger.taken(), 2);
    drop(first);
    assert!(second.is_woken());
    assert_ready_ok!(second.poll());
    assert_eq!(handle.calls(), [2]);
    assert_eq!(ledger.cancelled(), 2);
    assert_eq!((ledger.completed(), ledger.held()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn dropped_while_the_inner_service_gets_ready_it_gives_the_permit_back() {
    let (shared, ledger) = slots(1);
    let (probe, handle) = Probe::new(1);
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(learns_nothing));
    let mut service = layer.layer(probe.clone());
    let held = shared.try_acquire(()).unwrap();
    let mut call = task::spawn(service.ready().await.unwrap().call(1));
    assert_pending!(call.poll());
    handle.open(0);
    drop(held);
    assert_pending!(call.poll(), "the inner service isn't ready");
    assert_eq!(ledger.held(), 1);
    drop(call);
    assert_eq!((ledger.held(), ledger.cancelled()), (0, 2));

    let layer = BackpressureLayer::new(shared).track(Tracked::new(learns_nothing));
    let mut ready = task::spawn(layer.layer(probe));
    assert_pending!(ready.enter(|cx, mut ready| ready.poll_ready(cx)));
    assert_eq!(ledger.held(), 1);
    drop(ready);
    assert_eq!((ledger.held(), ledger.cancelled()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn dropped_after_its_grant_lapsed_it_owes_nothing() {
    let (shared, ledger) = slots(1);
    let held = shared.try_acquire(()).unwrap();
    let mut first = task::spawn(shared.acquire(()));
    assert_pending!(first.poll());
    drop(held);
    assert_eq!(ledger.held(), 1);
    jump(SHELF_LIFE).await;
    assert_eq!((ledger.held(), ledger.cancelled()), (0, 2));
    drop(first);
    assert_eq!((ledger.held(), ledger.cancelled()), (0, 2));
    assert_eq!(shared.snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn dropped_ready_but_never_called_it_gives_the_permit_back() {
    let (shared, ledger) = slots(1);
    let (probe, handle) = Probe::new(1);
    let layer = BackpressureLayer::new(shared.clone()).track(Tracked::new(learns_nothing));
    let mut service = layer.layer(probe);
    service.ready().await.unwrap();
    assert_eq!((ledger.held(), handle.reserved()), (1, 1));
    let mut next = task::spawn(shared.acquire(()));
    assert_pending!(next.poll());
    drop(service);
    assert!(next.is_woken());
    drop(assert_ready_ok!(next.poll()));
    assert_eq!((ledger.held(), ledger.cancelled()), (0, 2));
    assert_eq!(handle.reserved(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropped_in_flight_it_ends_without_feedback() {
    let (shared, ledger) = slots(2);
    let (inner, mut handle) = mock::pair::<u32, u32>();
    let track = Tracked::new(learns_nothing);
    let mut future = LimitLayer::new(shared.clone())
        .track(track)
        .layer(inner.clone());
    let mut ready = BackpressureLayer::new(shared.clone())
        .track(track)
        .layer(inner);

    let first = future.ready().await.unwrap().call(1);
    let second = ready.ready().await.unwrap().call(2);
    let mut waits = task::spawn(future.ready().await.unwrap().call(3));
    assert_pending!(waits.poll());
    let (_, _reply) = handle.next_request().await.unwrap();
    assert_eq!(ledger.held(), 2);

    drop(first);
    assert_eq!((ledger.lost(), ledger.cancelled()), (1, 0));
    assert!(waits.is_woken());
    assert_pending!(waits.poll());
    drop(waits);
    assert_eq!(
        (ledger.lost(), ledger.cancelled()),
        (2, 0),
        "it had been sent"
    );
    drop(second);
    assert_eq!((ledger.lost(), ledger.held()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_over_has_ended_once() {
    let (shared, ledger) = slots(1);
    let track = Tracked::new(learns_nothing::<BoxError>);
    let (inner, mut handle) = mock::pair::<u32, u32>();
    let mut service = LimitLayer::new(shared).track(track).layer(inner);
    let mut call = task::spawn(service.ready().await.unwrap().call(1));
    let (_, reply) = handle.next_request().await.unwrap();
    reply.send_response(7);
    assert_eq!(assert_ready_ok!(call.poll()), 7);
    assert_eq!(
        (ledger.completed(), ledger.held()),
        (1, 0),
        "before the future is dropped"
    );
    drop(call);
    assert_eq!((ledger.completed(), ledger.lost()), (1, 0));
}

/// vector#3998, linkerd2-proxy#751: the permit goes back when the call is over, not when its future
/// is dropped; and an error ends it as a response does.
#[tokio::test(start_paused = true)]
async fn an_error_ends_the_call() {
    let (shared, ledger) = slots(1);
    let track = Tracked::new(learns_nothing::<BoxError>);
    let (inner, mut handle): (Mock, _) = mock::pair();
    let mut service = BackpressureLayer::new(shared).track(track).layer(inner);
    let mut call = task::spawn(service.ready().await.unwrap().call(1));
    handle.next_request().await.unwrap().1.send_error("no");
    tokio_test::assert_ready_err!(call.poll());
    assert_eq!((ledger.completed(), ledger.held()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn tokens_are_spent_by_the_send_and_by_nothing_else() {
    let (limiter, ledger) = Ledger::of(Tokens::new(1, ms(100)));
    let shared = Shared::new(limiter);
    let (probe, handle) = Probe::roomy();
    let mut service = LimitLayer::new(shared.clone()).layer(probe);
    let sent = service.ready().await.unwrap().call(1);
    let mut granted = task::spawn(service.ready().await.unwrap().call(2));
    let mut waits = task::spawn(service.ready().await.unwrap().call(3));
    assert_pending!(granted.poll());
    assert_pending!(waits.poll());
    drop(sent);
    jump(ms(100)).await;
    assert!(granted.is_woken());
    assert_eq!(ledger.taken(), 2);

    drop(granted);
    assert!(waits.is_woken(), "the token goes to the next at once");
    assert_ready_ok!(waits.poll());
    assert_eq!((ledger.taken(), ledger.cancelled()), (3, 1));
    assert_eq!(handle.calls(), [1, 3]);
    assert_eq!(shared.snapshot().level, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_permit_in_hand_goes_back_when_it_is_dropped_and_not_when_it_is_spent() {
    let (shared, ledger) = slots(2);
    let permit = shared.acquire(()).await.unwrap();
    drop(permit);
    assert_eq!((ledger.cancelled(), ledger.held()), (1, 0));

    let in_flight = shared.try_acquire(()).unwrap().spend();
    assert_eq!(ledger.held(), 1);
    drop(in_flight);
    assert_eq!((ledger.lost(), ledger.held()), (1, 0));

    let in_flight = shared.acquire(()).await.unwrap().spend();
    in_flight.complete(Some(5));
    assert_eq!((ledger.completed(), ledger.held()), (1, 0));
    assert_eq!(shared.snapshot().limit, Some(5));

    let (limiter, ledger) = Ledger::of(Tokens::new(1, secs(1)));
    let shared = Shared::new(limiter);
    drop(shared.try_acquire(1).unwrap());
    shared.try_acquire(1).unwrap().spend().complete(());
    assert_eq!((ledger.taken(), ledger.cancelled()), (2, 1));
    assert_eq!(
        (ledger.completed(), ledger.lost()),
        (0, 0),
        "it learns nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_in_readiness_before_the_permit_costs_nothing() {
    let (shared, ledger) = slots(1);
    let (probe, handle) = Probe::new(1);
    handle.fail();
    let layer = LimitLayer::new(shared).track(Tracked::new(learns_nothing));
    let error = layer.layer(probe).oneshot(1).await.unwrap_err();
    assert!(error.is::<Stuck>());
    assert_eq!(ledger.taken(), 0);
}
