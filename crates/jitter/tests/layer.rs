//! How the layer treats the service under it.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests read tokio's paused clock"
)]

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Ready, ready},
    rc::Rc,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, advance, timeout};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, buffer::Buffer, limit::ConcurrencyLimit, service_fn};
use tower_test::{assert_request_eq, mock};
use tower_throttle_jitter::{Generator, Jitter, JitterLayer, Jittered};

const MAX: Duration = Duration::from_secs(10);
/// Tokio's timers fire on whole milliseconds, never early.
const TICK: Duration = Duration::from_millis(1);

fn layer() -> JitterLayer {
    JitterLayer::new(MAX).generator(Generator::seeded(7))
}

/// What a [`layer`] draws, in order.
fn draws() -> impl Iterator<Item = Duration> {
    let mut generator = Generator::seeded(7);
    std::iter::repeat_with(move || Jitter::full().delay(MAX, &mut generator))
}

fn assert_waited(start: Instant, expected: Duration) {
    let waited = start.elapsed();
    assert!(
        (expected..=expected + TICK).contains(&waited),
        "{waited:?} instead of {expected:?}"
    );
}

/// Panics when it is called without having been made ready; a clone isn't ready.
#[derive(Default)]
struct Probe {
    ready: bool,
    clones: Arc<Mutex<usize>>,
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        *self.clones.lock().unwrap() += 1;
        Self {
            ready: false,
            clones: Arc::clone(&self.clones),
        }
    }
}

impl Service<Instant> for Probe {
    type Response = Duration;
    type Error = Infallible;
    type Future = Ready<Result<Duration, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, start: Instant) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without having been made ready"
        );
        ready(Ok(start.elapsed()))
    }
}

async fn send<S: Service<Instant, Response = Duration>>(service: &mut S) -> Duration
where
    S::Error: std::fmt::Debug,
{
    let response = async { service.ready().await?.call(Instant::now()).await };
    timeout(10 * MAX, response)
        .await
        .expect("a deadlock")
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_request_waits_for_its_own_draw_and_calls_what_was_made_ready() {
    let mut service = layer().layer(Probe::default());
    for expected in draws().take(100) {
        let start = Instant::now();
        send(&mut service).await;
        assert_waited(start, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_sent_together_arrive_apart() {
    let service = layer().layer(Probe::default());
    let start = Instant::now();
    let sent: Vec<_> = (0..20)
        .map(|_| tokio::spawn(service.clone().oneshot(start)))
        .collect();
    let mut arrived = Vec::new();
    for response in sent {
        arrived.push(response.await.unwrap().unwrap());
    }
    arrived.sort();
    assert!(
        arrived.windows(2).all(|pair| pair[0] < pair[1]),
        "{arrived:?}"
    );
    assert!(arrived[19] <= MAX + TICK);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_delay_goes_through_the_readied_service_itself() {
    let probe = Probe::default();
    let clones = Arc::clone(&probe.clones);
    let mut service = JitterLayer::new(Duration::ZERO).layer(probe);
    for _ in 0..10 {
        assert_eq!(send(&mut service).await, Duration::ZERO);
    }
    assert_eq!(*clones.lock().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_what_comes_after_an_idle_time_waits() {
    let idle = Duration::from_secs(60);
    let mut service = layer().after_idle(idle).layer(Probe::default());
    for _ in 0..3 {
        assert!(send(&mut service).await > Duration::ZERO);
        for _ in 0..10 {
            assert_eq!(send(&mut service).await, Duration::ZERO);
            advance(idle - TICK).await;
        }
        advance(TICK).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_after_an_idle_time_leaves_in_one_go() {
    let service = layer().after_idle(MAX).layer(Probe::default());
    let start = Instant::now();
    let first = tokio::spawn(service.clone().oneshot(start));
    tokio::task::yield_now().await;
    let second = service.oneshot(start).await.unwrap();
    assert!(second > Duration::ZERO);
    assert_eq!(first.await.unwrap(), Ok(second));
}

#[tokio::test(start_paused = true)]
async fn clones_of_the_layer_share_the_idle_time_and_a_setter_ends_that() {
    let layer = layer().after_idle(MAX);
    let clone = layer.clone();
    let own = layer.clone().after_idle(MAX);
    send(&mut layer.layer(Probe::default())).await;
    assert_eq!(
        send(&mut clone.layer(Probe::default())).await,
        Duration::ZERO
    );
    assert!(send(&mut own.layer(Probe::default())).await > Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn clones_of_the_layer_draw_from_one_generator() {
    let layer = layer();
    let expected: Vec<_> = draws().take(2).collect();
    for (layer, expected) in [layer.clone(), layer].iter().zip(expected) {
        let start = Instant::now();
        send(&mut layer.layer(Probe::default())).await;
        assert_waited(start, expected);
    }
}

// A reservation kept by the service while its request waits is one that the request waits for: a deadlock.
#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_of_one_does_not_deadlock() {
    let mut service = layer().layer(ConcurrencyLimit::new(Probe::default(), 1));
    for _ in 0..10 {
        send(&mut service).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_delayed_request_leaves_its_slot_to_others() {
    let limit = ConcurrencyLimit::new(Probe::default(), 1);
    let mut direct = limit.clone();
    let mut service = layer().layer(limit);
    let response = service.ready().await.unwrap().call(Instant::now());
    assert_eq!(send(&mut direct).await, Duration::ZERO);
    // Made ready again, the service holds the slot once more, and only its drop gives it back.
    service.ready().await.unwrap();
    drop(service);
    assert!(response.await.unwrap() > Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_buffer_of_one_does_not_deadlock() {
    let mut service = layer().layer(Buffer::new(Probe::default(), 1));
    let first = service.ready().await.unwrap().call(Instant::now());
    let second = service.ready().await.unwrap().call(Instant::now());
    let both = async { tokio::join!(first, second) };
    let (first, second) = timeout(10 * MAX, both).await.expect("a deadlock");
    assert!(first.unwrap() != second.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_during_its_delay_is_never_sent() {
    let (mut mock, mut handle) = mock::spawn_layer::<&str, &str, _>(layer());
    handle.allow(2);
    assert_ready_ok!(mock.poll_ready());
    let mut response = task::spawn(mock.call("dropped"));
    assert_pending!(response.poll());
    drop(response);
    advance(MAX + TICK).await;
    assert!(nothing_was_sent(&mut handle));
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_during_its_delay_holds_nothing() {
    let mut service = layer().layer(ConcurrencyLimit::new(Probe::default(), 1));
    drop(service.ready().await.unwrap().call(Instant::now()));
    send(&mut service).await;
}

// The first version let whoever came next out undelayed: in step with every other client's.
#[tokio::test(start_paused = true)]
async fn a_first_request_that_was_given_up_has_not_left() {
    let mut service = layer().after_idle(60 * MAX).layer(Probe::default());
    drop(service.ready().await.unwrap().call(Instant::now()));
    advance(MAX + TICK).await;
    let start = Instant::now();
    send(&mut service).await;
    assert!(start.elapsed() > Duration::ZERO, "nobody has ever left");
    let start = Instant::now();
    send(&mut service).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "now one has");
}

fn nothing_was_sent(handle: &mut mock::Handle<&'static str, &'static str>) -> bool {
    task::spawn(handle.next_request()).poll().is_pending()
}

#[tokio::test(start_paused = true)]
async fn readiness_is_that_of_the_inner_service() {
    let (mut mock, mut handle) = mock::spawn_layer::<&str, &str, _>(layer());
    handle.allow(0);
    assert_pending!(mock.poll_ready());
    handle.allow(1);
    assert!(mock.is_woken());
    assert_ready_ok!(mock.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn after_its_delay_a_request_waits_until_its_service_is_ready() {
    let (mut mock, mut handle) = mock::spawn_layer(layer());
    handle.allow(1);
    assert_ready_ok!(mock.poll_ready());
    let mut response = task::spawn(mock.call("delayed"));
    assert_pending!(response.poll());

    handle.allow(0);
    advance(MAX + TICK).await;
    assert!(response.is_woken());
    assert_pending!(response.poll());
    assert!(nothing_was_sent(&mut handle));

    handle.allow(1);
    assert!(response.is_woken());
    assert_pending!(response.poll());
    assert_request_eq!(handle, "delayed").send_response("answer");
    assert_eq!(assert_ready_ok!(response.poll()), "answer");
}

#[derive(Debug, PartialEq)]
struct Refused(u16);

#[tokio::test(start_paused = true)]
async fn the_error_of_the_inner_service_comes_back_as_it_is() {
    for layer in [layer(), JitterLayer::new(Duration::ZERO)] {
        let service = layer.layer(service_fn(
            |status| async move { Err::<(), _>(Refused(status)) },
        ));
        assert_eq!(service.oneshot(503).await, Err(Refused(503)));
    }
}

#[derive(Clone)]
struct DiesWhileIdle(Instant);

impl Service<()> for DiesWhileIdle {
    type Response = ();
    type Error = Refused;
    type Future = Ready<Result<(), Refused>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(if self.0.elapsed().is_zero() {
            Ok(())
        } else {
            Err(Refused(1))
        })
    }

    fn call(&mut self, (): ()) -> Self::Future {
        unreachable!("it died before")
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_dies_during_the_delay_fails_the_request() {
    let service = layer().layer(DiesWhileIdle(Instant::now()));
    assert_eq!(service.oneshot(()).await, Err(Refused(1)));
}

// Guards against tower's `RateLimitLayer`, which makes its timer in `layer` and panics without a runtime.
#[test]
fn nothing_needs_a_runtime_before_the_response_is_polled() {
    let mut service = layer().layer(Probe::default());
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let _ = service.poll_ready(&mut Context::from_waker(std::task::Waker::noop()));
    let response = service.call(Instant::now());
    runtime().block_on(response).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stays_on_its_thread_and_borrows_is_fine() {
    let count = Rc::new(Cell::new(0));
    let borrowed = &count;
    let inner = service_fn(|increment: &Cell<i32>| {
        borrowed.set(borrowed.get() + increment.get());
        ready(Ok::<_, Infallible>(Rc::clone(borrowed)))
    });
    let increment = Cell::new(2);
    let service: Jittered<_> = layer().layer(inner);
    assert_eq!(service.oneshot(&increment).await.unwrap().get(), 2);
}
