//! Panics of others lose nothing.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
};

use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_throttle_core::{BackpressureLayer, LimitLayer, Shared, track::Tracked};

use crate::probe::{Ledger, Recorded, Slots, Stuck, Tokens, secs};

fn slots() -> (Shared<Recorded<Slots>>, Ledger) {
    let (limiter, ledger) = Ledger::of(Slots::new(1));
    (Shared::new(limiter), ledger)
}

fn learns_nothing(_: Result<&u32, &Stuck>) -> Option<u32> {
    None
}

fn panics<R>(action: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(action)).is_err()
}

fn panics_when_polled(future: impl Future) -> bool {
    panics(|| pin!(future).poll(&mut Context::from_waker(Waker::noop())))
}

/// A service that panics instead of returning a future, for the requests above 0.
fn panicking() -> impl Service<u32, Response = u32, Error = Stuck, Future: Send> + Clone {
    service_fn(|request: u32| {
        assert_eq!(request, 0, "the inner service panics");
        std::future::ready(Ok(request))
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_at_once_ends_without_feedback() {
    let (shared, ledger) = slots();
    let track = Tracked::new(learns_nothing);
    let mut future = LimitLayer::new(shared.clone())
        .track(track)
        .layer(panicking());
    let mut ready = BackpressureLayer::new(shared)
        .track(track)
        .layer(panicking());

    future.ready().await.unwrap();
    assert!(panics(|| future.call(1)));
    assert_eq!((ledger.lost(), ledger.held()), (1, 0));
    ready.ready().await.unwrap();
    assert!(panics(|| ready.call(1)));
    assert_eq!((ledger.lost(), ledger.held()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_after_a_wait_ends_without_feedback() {
    let (shared, ledger) = slots();
    let track = Tracked::new(learns_nothing);
    let mut service = LimitLayer::new(shared.clone())
        .track(track)
        .layer(panicking());
    let held = shared.try_acquire(()).unwrap();
    let call = service.ready().await.unwrap().call(1);
    let mut next = task::spawn(service.ready().await.unwrap().call(0));
    assert_pending!(next.poll());
    drop(held);
    assert!(panics_when_polled(call));
    assert_eq!(ledger.lost(), 1);
    assert!(next.is_woken());
    assert_ready_ok!(next.poll());
    assert_eq!(ledger.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_panics_ends_without_feedback() {
    let (shared, ledger) = slots();
    let track = Tracked::new(learns_nothing);
    let inner = service_fn(|_: u32| {
        poll_fn(|_| -> Poll<Result<u32, Stuck>> { panic!("the response panics") })
    });
    let mut service = LimitLayer::new(shared.clone()).track(track).layer(inner);
    let call = service.ready().await.unwrap().call(1);
    assert_eq!(ledger.held(), 1);
    assert!(panics_when_polled(call));
    assert_eq!((ledger.lost(), ledger.held()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_classifier_that_panics_ends_the_call_without_feedback() {
    let (shared, ledger) = slots();
    let judge = |_: Result<&u32, &Stuck>| -> Option<u32> { panic!("the classifier panics") };
    let inner = service_fn(|_: u32| std::future::ready(Ok::<u32, Stuck>(1)));
    let mut service = LimitLayer::new(shared)
        .track(Tracked::new(judge))
        .layer(inner);
    let call = service.ready().await.unwrap().call(1);
    assert!(panics_when_polled(call));
    assert_eq!((ledger.lost(), ledger.held()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_filter_or_a_cost_that_panics_takes_no_permit() {
    let (limiter, ledger) = Ledger::of(Tokens::new(5, secs(1)));
    let layer = LimitLayer::new(Shared::new(limiter));
    let mut filtered = layer
        .clone()
        .filter(|_: &u32| panic!("the filter"))
        .layer(panicking());
    let mut weighed = layer.cost(|_: &u32| panic!("the cost")).layer(panicking());
    assert!(panics(|| filtered.call(0)));
    assert!(panics(|| weighed.call(0)));
    assert_eq!(ledger.taken(), 0);
}

/// A poisoned lock would fail every request after it.
#[tokio::test(start_paused = true)]
async fn a_change_that_panics_fails_nobody_else() {
    let (shared, ledger) = slots();
    let held = shared.try_acquire(()).unwrap();
    let mut waits = task::spawn(shared.acquire(()));
    assert_pending!(waits.poll());
    assert!(panics(|| shared.update(|_, _| panic!("the change"))));

    drop(held);
    assert!(waits.is_woken());
    drop(assert_ready_ok!(waits.poll()));
    assert_eq!(ledger.held(), 0);
}

/// A limiter that panics must not tear the line: whoever it panicked at is still in it.
#[tokio::test(start_paused = true)]
async fn a_limiter_that_panics_in_take_leaves_the_line_whole() {
    #[derive(Debug)]
    struct Fragile {
        open: bool,
        fragile: bool,
    }

    impl tower_throttle_core::Limiter for Fragile {
        type Cost = ();
        type Permit = ();
        type Feedback = ();
        const COMPLETES: bool = false;

        fn check(&self, (): &(), _: std::time::Instant) -> tower_throttle_core::Wait {
            match self.open {
                true => tower_throttle_core::Wait::Now,
                false => tower_throttle_core::Wait::Changed,
            }
        }

        fn take(&mut self, (): (), _: std::time::Instant) {
            assert!(
                !std::mem::take(&mut self.fragile),
                "the limiter panics once"
            );
        }

        fn cancel(&mut self, (): (), _: std::time::Instant) {}
    }

    let shared = Shared::new(Fragile {
        open: false,
        fragile: true,
    });
    let mut first = task::spawn(shared.acquire(()));
    let mut second = task::spawn(shared.acquire(()));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    assert!(panics(|| shared.update(|limiter, _| limiter.open = true)));
    assert_eq!(shared.snapshot().waiting, 2);

    drop(first);
    assert_eq!(shared.snapshot().waiting, 0, "the next has been granted");
    let _permit = assert_ready_ok!(second.poll());
}
