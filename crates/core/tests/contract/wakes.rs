//! Whoever is told to wait is woken when there is something to do, and not before.

use std::{
    pin::Pin,
    sync::{Arc, mpsc},
    task::{Context, Wake, Waker},
    thread,
};

use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};
use tower_throttle_core::{Acquire, LimitLayer, SHELF_LIFE, Shared};

use crate::probe::{Probe, Slots, Tokens, jump, ms, secs};

#[tokio::test(start_paused = true)]
async fn by_the_clock() {
    let shared = Shared::new(Tokens::new(1, secs(1)));
    let _spent = shared.try_acquire(1).unwrap().spend();
    let mut waits = task::spawn(shared.acquire(1));
    assert_pending!(waits.poll());
    jump(ms(999)).await;
    assert!(!waits.is_woken());
    jump(ms(1)).await;
    assert!(waits.is_woken());
    let _permit = assert_ready_ok!(waits.poll());
}

#[tokio::test(start_paused = true)]
async fn by_a_permit_that_comes_back() {
    let shared = Shared::new(Slots::new(1));
    let permit = shared.try_acquire(()).unwrap();
    let mut waits = task::spawn(shared.acquire(()));
    assert_pending!(waits.poll());
    jump(secs(3600)).await;
    assert!(!waits.is_woken());
    drop(permit);
    assert!(waits.is_woken());
    let in_flight = assert_ready_ok!(waits.poll()).spend();

    let mut waits = task::spawn(shared.acquire(()));
    assert_pending!(waits.poll());
    in_flight.complete(None);
    assert!(waits.is_woken());
}

#[tokio::test(start_paused = true)]
async fn by_the_task_that_polled_last() {
    let shared = Shared::new(Slots::new(1));
    let permit = shared.try_acquire(()).unwrap();
    let mut first = task::spawn(shared.acquire(()));
    assert_pending!(first.poll());
    // The future moves to another task.
    let mut acquire = first.into_inner();
    let mut second = task::spawn(());
    assert_pending!(second.enter(|cx, _| std::pin::Pin::new(&mut acquire).poll(cx)));
    drop(permit);
    assert!(second.is_woken());
}

#[tokio::test(start_paused = true)]
async fn by_the_inner_service_once_the_permit_is_there() {
    let shared = Shared::new(Tokens::new(1, secs(1)));
    let (probe, handle) = Probe::new(1);
    let mut service = LimitLayer::new(shared).layer(probe);
    service.ready().await.unwrap().call(1).await.unwrap();
    let mut call = task::spawn(service.ready().await.unwrap().call(2));
    assert_pending!(call.poll());
    handle.open(0);
    jump(secs(1)).await;
    assert!(call.is_woken());
    assert_pending!(call.poll());
    assert!(!call.is_woken());
    handle.open(1);
    assert!(call.is_woken());
    assert_ready_ok!(call.poll());
}

/// A grant that lapsed: the inner service's wake brings the owner back, and then the line's own.
#[tokio::test(start_paused = true)]
async fn by_a_second_grant_after_the_first_has_lapsed() {
    let shared = Shared::new(Tokens::new(1, secs(1)));
    let (probe, handle) = Probe::new(1);
    let mut service = LimitLayer::new(shared.clone()).layer(probe);
    service.ready().await.unwrap().call(1).await.unwrap();
    let mut call = task::spawn(service.ready().await.unwrap().call(2));
    assert_pending!(call.poll());
    handle.open(0);
    jump(secs(1)).await;
    assert_pending!(call.poll());
    jump(SHELF_LIFE).await;
    // The token went back, and somebody else took it.
    let _spent = shared.try_acquire(1).unwrap().spend();

    handle.open(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    assert_eq!(handle.reserved(), 0);
    jump(secs(1)).await;
    assert!(call.is_woken());
    assert_ready_ok!(call.poll());
    assert_eq!(handle.calls(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_woken_for_nothing() {
    let shared = Shared::new(Tokens::new(1, ms(10)));
    let _spent = shared.try_acquire(1).unwrap().spend();
    let mut waiting: Vec<_> = (0..10).map(|_| task::spawn(shared.acquire(1))).collect();
    for waits in &mut waiting {
        assert_pending!(waits.poll());
    }
    for due in 0..10 {
        jump(ms(10)).await;
        for (index, waits) in waiting.iter_mut().enumerate() {
            assert_eq!(waits.is_woken(), index == due, "{index} when {due} is due");
        }
        assert_ready_ok!(waiting[due].poll()).spend();
        assert!(!waiting[due].is_woken());
    }
}

/// Comes back to the limiter when it is woken, and when it is dropped, as a small executor does
/// whose tasks are owned by their wakers alone.
struct Nosy(Shared<Slots>);

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        let _ = self.0.snapshot();
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        let _ = self.0.snapshot();
    }
}

#[test]
fn a_waker_that_comes_back_to_the_limiter_locks_nothing_up() {
    let (done, finished) = mpsc::channel();
    let worker = thread::spawn(move || {
        let shared = Shared::new(Slots::new(1));
        let nosy = || Waker::from(Arc::new(Nosy(shared.clone())));
        let poll = |acquire: &mut Acquire<Slots>| {
            let _ = Pin::new(acquire).poll(&mut Context::from_waker(&nosy()));
        };
        let permit = shared.try_acquire(()).unwrap();
        let (mut granted, mut left) = (shared.acquire(()), shared.acquire(()));
        poll(&mut granted);
        poll(&mut left);
        done.send("joined").unwrap();
        poll(&mut left);
        done.send("polled again").unwrap();
        drop(left);
        done.send("left").unwrap();
        drop(permit);
        done.send("woken").unwrap();
        poll(&mut granted);
        drop(granted);
        done.send("granted").unwrap();
    });
    for step in ["joined", "polled again", "left", "woken", "granted"] {
        assert_eq!(finished.recv_timeout(secs(10)), Ok(step));
    }
    worker.join().unwrap();
}
