//! Nothing is asked of the inner service, its requests and its responses that tower doesn't ask.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    marker::PhantomPinned,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::task::LocalSet;
use tower::{Layer, Service, ServiceExt, util::Either};
use tower_throttle_core::{
    Acquire, Backpressure, BackpressureLayer, BoxError, Fail, InFlight, Limit, LimitLayer, Permit,
    Rejected, Shared, future::ResponseFuture, hold, select::Single, track::Tracked,
    track::Untracked,
};

use crate::probe::{Probe, Slots, Tokens, now, secs};

/// Neither `Send`, `Sync`, `Clone`, `Debug` nor `Unpin`.
struct Bare(Rc<u32>, PhantomPinned);

impl Bare {
    fn new(number: u32) -> Self {
        Self(Rc::new(number), PhantomPinned)
    }
}

/// Its future is neither `Send` nor `Unpin`, and its error is no error.
#[derive(Clone)]
struct Local(Rc<()>);

struct Answer(Option<Bare>);

struct NoError;

impl Service<Bare> for Local {
    type Response = Bare;
    type Error = NoError;
    type Future = Pin<Box<dyn Future<Output = Result<Bare, NoError>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NoError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Bare) -> Self::Future {
        let keep = Rc::clone(&self.0);
        Box::pin(async move {
            let answer = Answer(Some(request));
            tokio::task::yield_now().await;
            drop(keep);
            answer.0.ok_or(NoError)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_send_works_on_a_local_set() {
    let layer =
        LimitLayer::new(Shared::new(Tokens::new(1, secs(1)))).on_reject(|_: Rejected| Bare::new(0));
    let service = layer.layer(Local(Rc::new(())));
    let start = now();
    let calls = LocalSet::new();
    calls
        .run_until(async {
            let calls = (1..=3).map(|number| {
                let service = service.clone();
                tokio::task::spawn_local(service.oneshot(Bare::new(number)))
            });
            for (number, call) in (1..=3).zip(calls.collect::<Vec<_>>()) {
                let Ok(response) = call.await.unwrap() else {
                    panic!("it answers");
                };
                assert_eq!(*response.0, number);
            }
        })
        .await;
    assert_eq!(now() - start, secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_tracked_service_that_is_not_send_works_in_both_forms() {
    let shared = Shared::new(Slots::new(1));
    let track = Tracked::new(|_: Result<&Bare, &NoError>| None);
    let mut future = LimitLayer::new(shared.clone())
        .track(track)
        .on_reject(|_: Rejected| Bare::new(0))
        .layer(Local(Rc::new(())));
    let mut ready = BackpressureLayer::new(shared)
        .track(track)
        .layer(Local(Rc::new(())));

    let Ok(service) = future.ready().await else {
        panic!("it is ready");
    };
    let first = service.call(Bare::new(1));
    let second = async {
        let Ok(service) = ready.ready().await else {
            panic!("it is ready");
        };
        service.call(Bare::new(2)).await
    };
    let (Ok(first), Ok(second)) = tokio::join!(first, second) else {
        panic!("both answer");
    };
    assert_eq!((*first.0, *second.0), (1, 2));
}

/// Not `Clone`: `Balance`, `RateLimit`, and many more.
struct Single1;

impl Service<u32> for Single1 {
    type Response = u32;
    type Error = Infallible;
    type Future = Ready<Result<u32, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        ready(Ok(request))
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_clone_works_with_backpressure() {
    let layer = LimitLayer::new(Shared::new(Tokens::new(1, secs(1)))).backpressure();
    let mut service = layer.layer(Single1);
    for request in 0..3 {
        let Ok(response) = service.ready().await.unwrap().call(request).await;
        assert_eq!(response, request);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_can_be_optional() {
    let layer = LimitLayer::new(Shared::new(Tokens::new(1, secs(1))));
    let (probe, _handle) = Probe::new(1);
    for limited in [true, false] {
        let service = match limited {
            true => Either::Left(layer.layer(probe.clone())),
            false => Either::Right(probe.clone().map_err(BoxError::from)),
        };
        service.oneshot(1).await.unwrap();
    }
}

#[test]
fn what_can_cross_threads_does() {
    fn is<T: Send + Sync + Unpin + 'static>() {}
    type Limiter = Tokens;

    is::<Shared<Limiter>>();
    is::<Acquire<Limiter>>();
    is::<Permit<Limiter>>();
    is::<InFlight<Slots>>();
    is::<Rejected>();
    is::<LimitLayer<Single<Limiter>>>();
    is::<BackpressureLayer<Limiter>>();
    is::<Limit<Probe, Single<Limiter>, Untracked, Fail>>();
    is::<Backpressure<Probe, Limiter>>();
    is::<Backpressure<Probe, Slots, Tracked<()>>>();
    is::<ResponseFuture<Probe, u32, Limiter, Untracked, Fail>>();
    is::<hold::Settlement<Slots>>();
    is::<hold::HeldBody<(), Slots>>();
}
