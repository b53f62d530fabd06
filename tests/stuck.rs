//! What leaves at once when an inner service that was stuck comes free.

use std::{
    convert::Infallible,
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, advance, sleep_until},
};
use tower::{Layer, Service};
use tower_throttle::token_bucket::{Rate, TokenBucketLayer};

/// A service that is ready only while it is not stuck, and notes when it was called.
#[derive(Clone, Default)]
struct Inner(Arc<State>);

#[derive(Default)]
struct State {
    stuck: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
    sent: Mutex<Vec<Instant>>,
}

impl Inner {
    fn free(&self) {
        self.0.stuck.store(false, Ordering::SeqCst);
        self.0
            .wakers
            .lock()
            .unwrap()
            .drain(..)
            .for_each(Waker::wake);
    }
}

impl Service<()> for Inner {
    type Response = ();
    type Error = Infallible;
    type Future = std::future::Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.0.stuck.load(Ordering::SeqCst) {
            self.0.wakers.lock().unwrap().push(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: ()) -> Self::Future {
        self.0.sent.lock().unwrap().push(Instant::now());
        std::future::ready(Ok(()))
    }
}

/// How many leave in the instant in which the inner service comes free.
async fn burst_after(stuck: Duration, burst: u32) -> usize {
    let inner = Inner::default();
    let layer = TokenBucketLayer::new(Rate::per_second(100))
        .burst(burst)
        .initial_level(0);
    let mut service = layer.layer(inner.clone());
    let mut requests = JoinSet::new();
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    inner.0.stuck.store(true, Ordering::SeqCst);
    for _ in 0..900 {
        requests.spawn(service.call(()));
    }
    sleep_until(Instant::now() + stuck).await;
    let free = Instant::now();
    inner.free();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    advance(Duration::from_millis(1)).await;
    let sent = inner.0.sent.lock().unwrap();
    sent.iter().filter(|&&at| at == free).count()
}

/// Grants lapse and are granted again while everything is stuck. If each came back to the bucket
/// whatever lies on the shelf, their number would grow: 100 left at once with a burst of 20.
#[tokio::test(start_paused = true)]
async fn at_most_the_burst_and_what_comes_in_a_shelf_life_and_a_lag() {
    for burst in [1, 5, 20, 100] {
        for stuck in [200, 330, 1000, 5000] {
            let sent = burst_after(Duration::from_millis(stuck), burst).await;
            let most = burst as usize + 11;
            assert!(
                sent <= most,
                "burst {burst}, stuck for {stuck} ms: {sent} > {most}"
            );
        }
    }
}
