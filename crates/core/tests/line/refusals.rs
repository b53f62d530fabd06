//! A limiter that turns requests away for a time, instead of making them wait.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};
use tower_throttle_core::{BackpressureLayer, Limiter, Queue, SHELF_LIFE, Shared, Wait, Why};

use crate::probe::{Gate, Ledger, Probe, Tokens, join, jump, ms, now, secs};

#[tokio::test(start_paused = true)]
async fn whoever_asks_is_refused_and_told_when_to_come_back() {
    let shared = Shared::new((Gate::Open, Tokens::new(1, secs(1))));
    shared.update(|both, now| both.0 = Gate::Refusing(now + secs(30)));
    let rejected = assert_ready!(task::spawn(shared.acquire(((), 1))).poll()).unwrap_err();
    assert_eq!(rejected.why(), Why::Closed);
    assert_eq!(rejected.retry_after(), Some(secs(30)));
    assert!(rejected.is_retryable());
    assert_eq!(
        rejected.to_string(),
        "request refused: nobody passes for now, and could pass in 30s"
    );
    assert_eq!(shared.try_acquire(((), 1)).unwrap_err().why(), Why::Closed);

    jump(secs(30)).await;
    shared.try_acquire(((), 1)).unwrap().spend();
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_already_are_refused_as_well() {
    let shared = Shared::new(Gate::Closed);
    let mut line: Vec<_> = (0..100).map(|_| task::spawn(shared.acquire(()))).collect();
    for acquire in &mut line {
        assert_pending!(acquire.poll());
    }
    jump(secs(1)).await;
    shared.update(|gate, now| *gate = Gate::Refusing(now + secs(9)));
    for acquire in &mut line {
        assert!(acquire.is_woken());
        let rejected = assert_ready!(acquire.poll()).unwrap_err();
        assert_eq!(rejected.why(), Why::Closed);
        assert_eq!(rejected.waited(), secs(1));
        assert_eq!(rejected.retry_after(), Some(secs(9)));
    }
}

/// The first version looked again and again for as long as the lag: for ever, if the clock stands.
#[tokio::test(start_paused = true)]
async fn services_with_backpressure_wait_the_refusal_out() {
    let (limiter, ledger) = Ledger::of((Gate::Open, Tokens::new(1, ms(100))));
    let shared = Shared::new(limiter);
    let (probe, handle) = Probe::roomy();
    let layer = BackpressureLayer::new(shared.clone());
    let start = now();
    shared.update(|both, now| both.limiter.0 = Gate::Refusing(now + secs(30)));
    let mut services: Vec<_> = (0..3)
        .map(|_| task::spawn(layer.layer(probe.clone())))
        .collect();
    for service in &mut services {
        assert_pending!(service.enter(|cx, mut service| service.poll_ready(cx)));
    }
    for service in services {
        service
            .into_inner()
            .ready()
            .await
            .unwrap()
            .call(1)
            .await
            .unwrap();
    }
    assert_eq!(
        ledger.dates(start),
        [secs(30), secs(30) + ms(100), secs(30) + ms(200)]
    );
    assert_eq!(handle.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn those_behind_a_patient_service_are_refused_too() {
    for refusal in [Gate::Refusing(now() + secs(30)), Gate::Bricked] {
        let shared = Shared::new(Gate::Closed);
        let (probe, _handle) = Probe::roomy();
        let mut patient = task::spawn(BackpressureLayer::new(shared.clone()).layer(probe));
        assert_pending!(patient.enter(|cx, mut patient| patient.poll_ready(cx)));
        let mut acquire = task::spawn(shared.acquire(()));
        assert_pending!(acquire.poll());
        shared.update(|gate, _| *gate = refusal);
        assert!(!patient.is_woken());
        assert!(acquire.is_woken());
        assert_ready!(acquire.poll()).unwrap_err();
        assert_eq!(shared.snapshot().waiting, 1);
    }
}

/// Behind a service that waits, it stood in line until its turn came.
#[tokio::test(start_paused = true)]
async fn whoever_let_a_grant_lapse_is_refused_as_a_newcomer_would_be() {
    for refusal in [Gate::Refusing(now() + secs(30)), Gate::Bricked] {
        let shared = Shared::new(Gate::Closed);
        let (probe, _handle) = Probe::roomy();
        let mut patient = task::spawn(BackpressureLayer::new(shared.clone()).layer(probe));
        assert_pending!(patient.enter(|cx, mut patient| patient.poll_ready(cx)));
        let mut line = join(&shared, [()]);
        shared.update(|gate, _| *gate = Gate::Open);
        shared.update(|gate, _| *gate = refusal);
        jump(SHELF_LIFE).await;
        assert_pending!(patient.enter(|cx, mut patient| patient.poll_ready(cx)));
        assert_ready!(line[0].poll()).unwrap_err();
        assert_eq!(shared.snapshot().waiting, 1);
    }
}

/// When a refusal ends, what another limit says still holds.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_refusal_is_not_the_end_of_every_wait() {
    let (limiter, ledger) = Ledger::of((Gate::Closed, Tokens::new(1, secs(10))));
    let shared = Shared::new(limiter);
    let (probe, _handle) = Probe::roomy();
    let start = now();
    let mut patient = BackpressureLayer::new(shared.clone()).layer(probe);
    shared.update(|both, now| both.limiter.0 = Gate::Refusing(now + ms(5)));
    shared.update(|both, now| both.limiter.1.take(1, now));
    patient.ready().await.unwrap();
    assert_eq!(now() - start, secs(10));
    assert_eq!(ledger.dates(start), [secs(10)]);
}

/// One that predicts nothing, as a circuit breaker.
#[derive(Debug)]
struct Breaker {
    tripped_until: Option<Instant>,
    busy: bool,
}

impl Limiter for Breaker {
    type Cost = ();
    type Permit = ();
    type Feedback = Instant;

    fn check(&self, (): &(), now: Instant) -> Wait {
        match self.tripped_until.filter(|&until| until > now) {
            Some(until) => Wait::Refuse(until),
            None if self.busy => Wait::Changed,
            None => Wait::Now,
        }
    }

    fn take(&mut self, (): (), _: Instant) {
        self.busy = true;
    }

    fn cancel(&mut self, (): (), _: Instant) {
        self.busy = false;
    }

    fn complete(&mut self, (): (), tripped: Option<Instant>, _: Instant) {
        self.busy = false;
        self.tripped_until = tripped;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_needs_no_prediction() {
    let shared = Shared::with_queue(
        Breaker {
            tripped_until: None,
            busy: false,
        },
        Queue::new().max_wait(secs(5)),
    );
    let in_flight = shared.try_acquire(()).unwrap().spend();
    let mut line: Vec<_> = (0..3).map(|_| task::spawn(shared.acquire(()))).collect();
    for acquire in &mut line {
        assert_pending!(acquire.poll());
    }
    in_flight.complete(now() + secs(7));
    for acquire in &mut line {
        let rejected = assert_ready!(acquire.poll()).unwrap_err();
        assert_eq!(rejected.why(), Why::Closed);
        assert_eq!(rejected.retry_after(), Some(secs(7)));
    }
    let rejected = shared.acquire(()).await.unwrap_err();
    assert_eq!(rejected.retry_after(), Some(secs(7)));
    jump(secs(7)).await;
    let _permit = assert_ready_ok!(task::spawn(shared.acquire(())).poll());
}

/// One that breaks its word: it refuses until an instant, and still does when that is over.
#[derive(Debug)]
struct Stale {
    /// `None` for a nanosecond from whenever it is asked about.
    until: Option<Instant>,
    asked: AtomicUsize,
    mended: bool,
}

impl Limiter for Stale {
    type Cost = ();
    type Permit = ();
    type Feedback = ();
    const COMPLETES: bool = false;
    const MAX_LAG: Duration = Duration::MAX;

    fn check(&self, (): &(), at: Instant) -> Wait {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.mended {
            Wait::Now
        } else {
            Wait::Refuse(self.until.unwrap_or(at + Duration::from_nanos(1)))
        }
    }

    fn take(&mut self, (): (), _: Instant) {}

    fn cancel(&mut self, (): (), _: Instant) {}
}

/// The first version looked at the line again at once, and again, and never came back.
#[tokio::test(start_paused = true)]
async fn a_limiter_that_refuses_until_an_instant_that_is_over_is_asked_again_now_and_then() {
    for until in [Some(now()), Some(now() + secs(3)), None] {
        let ahead = until.map_or(secs(0), |until| until - now());
        let shared = Shared::new(Stale {
            until,
            asked: AtomicUsize::new(0),
            mended: false,
        });
        let (probe, _handle) = Probe::roomy();
        let mut patient = BackpressureLayer::new(shared.clone()).layer(probe);
        let waits = tokio::time::timeout(ahead + secs(1), patient.ready()).await;
        assert!(waits.is_err(), "it was let pass");
        let asked = shared.update(|stale, _| stale.asked.load(Ordering::Relaxed));
        assert!((50..5000).contains(&asked), "asked {asked} times");

        let mut patient = task::spawn(patient.ready());
        assert_pending!(patient.poll());
        // Nobody is told of this.
        shared.update(|stale, _| stale.mended = true);
        assert_ready_ok!(patient.poll());
    }
}
