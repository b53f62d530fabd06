//! Every way in which a body, or the caller, can end a call.

mod probe;

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tower_throttle_core::{
    Shared, Verdict,
    hold::{self, Answered, Hold, Settlement},
};

use self::probe::{Ledger, Recorded, Slots, secs};

/// A body that does what it is told, and knows when it is over.
struct Script {
    frames: VecDeque<Result<Frame<Bytes>, &'static str>>,
    knows_its_end: bool,
}

impl Script {
    fn new<const N: usize>(frames: [Result<Frame<Bytes>, &'static str>; N]) -> Self {
        Self {
            frames: frames.into(),
            knows_its_end: true,
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(self.frames.pop_front())
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(7)
    }
}

fn data() -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(Bytes::from_static(b"data")))
}

fn trailers() -> Result<Frame<Bytes>, &'static str> {
    let mut trailers = HeaderMap::new();
    trailers.insert("load", "9".parse().unwrap());
    Ok(Frame::trailers(trailers))
}

/// The limit that the trailers advise; 1 if there are none.
fn by_trailers(trailers: Option<&HeaderMap>) -> Option<Option<u32>> {
    let advice = trailers.map_or("1", |trailers| trailers["load"].to_str().unwrap());
    Some(advice.parse().ok())
}

type Held = hold::HeldBody<Script, Recorded<Slots>>;

/// A call in flight whose response has this body.
fn held(body: Script, verdict: Verdict<Option<u32>>) -> (Held, Shared<Recorded<Slots>>, Ledger) {
    let (limiter, ledger) = Ledger::of(Slots::new(5));
    let shared = Shared::new(limiter);
    let mut in_flight = Some(shared.try_acquire(()).unwrap().spend());
    let mut call = Answered::new(&mut in_flight, verdict);
    let response = hold::Body.hold(&mut call, Response::new(body));
    (response.into_body(), shared, ledger)
}

fn limit(shared: &Shared<Recorded<Slots>>) -> u32 {
    shared.snapshot().limit.unwrap()
}

#[tokio::test]
async fn the_end_that_nobody_announced_ends_the_call() {
    let mut script = Script::new([data(), data()]);
    script.knows_its_end = false;
    let (mut body, shared, ledger) = held(script, Verdict::Known(Some(3)));
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap();
    assert_eq!(ledger.held(), 1);
    assert!(body.frame().await.is_none());
    assert_eq!(
        (ledger.held(), ledger.completed(), limit(&shared)),
        (0, 1, 3)
    );
    assert!(body.frame().await.is_none());
    drop(body);
    assert_eq!((ledger.completed(), ledger.lost()), (1, 0), "once");
}

/// Whoever reads a body asks for no frame after the one that it was told is the last: hyper doesn't.
#[tokio::test]
async fn the_last_frame_ends_the_call_if_the_body_knows_that_it_is_the_last() {
    for verdict in [Verdict::Known(Some(1)), Verdict::Later(by_trailers)] {
        let (mut body, shared, ledger) = held(Script::new([data(), data()]), verdict);
        body.frame().await.unwrap().unwrap();
        assert_eq!(ledger.held(), 1);
        body.frame().await.unwrap().unwrap();
        assert!(body.is_end_stream());
        assert_eq!(
            (ledger.held(), ledger.completed(), limit(&shared)),
            (0, 1, 1)
        );
    }
}

/// Nobody asks it for a frame.
#[tokio::test]
async fn a_body_that_is_empty_from_the_start_has_come_to_its_end() {
    let (body, shared, ledger) = held(Script::new([]), Verdict::Later(by_trailers));
    drop(body);
    assert_eq!(
        (ledger.held(), ledger.completed(), limit(&shared)),
        (0, 1, 1)
    );
}

#[tokio::test]
async fn trailers_end_the_call_and_are_what_it_is_judged_by() {
    let mut script = Script::new([data(), trailers()]);
    script.knows_its_end = false;
    let (mut body, shared, ledger) = held(script, Verdict::Later(by_trailers));
    body.frame().await.unwrap().unwrap();
    assert_eq!(ledger.held(), 1);
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    assert_eq!(
        (ledger.held(), ledger.completed(), limit(&shared)),
        (0, 1, 9)
    );
    assert!(body.frame().await.is_none());
    assert_eq!((ledger.completed(), ledger.lost()), (1, 0), "once");
}

#[tokio::test]
async fn a_body_that_breaks_off_says_what_was_known_from_the_head() {
    for (verdict, completed) in [
        (Verdict::Known(Some(2)), 1),
        (Verdict::Later(by_trailers), 0),
    ] {
        let (mut body, _shared, ledger) = held(Script::new([data(), Err("reset")]), verdict);
        body.frame().await.unwrap().unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap_err(), "reset");
        assert_eq!(ledger.held(), 0);
        assert_eq!(
            (ledger.completed(), ledger.lost()),
            (completed, 1 - completed)
        );
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_says_what_was_known_from_the_head() {
    for (verdict, completed) in [
        (Verdict::Known(Some(2)), 1),
        (Verdict::Later(by_trailers), 0),
    ] {
        let (mut body, _shared, ledger) = held(Script::new([data(), data()]), verdict);
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(ledger.held(), 0);
        assert_eq!(
            (ledger.completed(), ledger.lost()),
            (completed, 1 - completed)
        );
    }
}

#[tokio::test]
async fn the_body_itself_is_passed_through() {
    let (body, _shared, _ledger) = held(Script::new([data(), trailers()]), Verdict::Known(None));
    assert_eq!(body.size_hint().exact(), Some(7));
    assert!(!body.is_end_stream());
    let collected = body.collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["load"], "9");
    assert_eq!(collected.to_bytes(), "data");
}

/// A request that passed without a limit has nothing to end.
#[tokio::test]
async fn a_body_that_no_limiter_counts_just_flows() {
    let response = Response::new(Script::new([data()]));
    let mut uncounted = None;
    let mut call = Answered::<Recorded<Slots>>::new(&mut uncounted, Verdict::Known(None));
    let hold = hold::Body.hold(&mut call, response);
    assert_eq!(hold.into_body().collect().await.unwrap().to_bytes(), "data");
    let response = Response::new(());
    let mut uncounted = None;
    let mut call = Answered::<Recorded<Slots>>::new(&mut uncounted, Verdict::Known(None));
    let hold = hold::Caller.hold(&mut call, response);
    assert!(hold.extensions().is_empty());
}

fn settlement() -> (Settlement<Recorded<Slots>>, Shared<Recorded<Slots>>, Ledger) {
    let (limiter, ledger) = Ledger::of(Slots::new(1));
    let shared = Shared::new(limiter);
    let mut in_flight = Some(shared.try_acquire(()).unwrap().spend());
    let mut call = Answered::new(&mut in_flight, Verdict::Known(None));
    let response = hold::Caller.hold(&mut call, Response::new(()));
    let settlement = response.extensions().get::<Settlement<_>>().unwrap();
    (settlement.clone(), shared, ledger)
}

#[test]
fn any_clone_of_a_settlement_settles_and_the_last_one_that_is_dropped_ends_it() {
    let (settlement, _shared, ledger) = settlement();
    let clone = settlement.clone();
    drop(settlement);
    assert_eq!(ledger.held(), 1);
    let other = clone.clone();
    other.settle(Some(4)).unwrap();
    assert!(clone.is_settled());
    assert_eq!(clone.settle(None), Err(None));
    drop((clone, other));
    assert_eq!((ledger.completed(), ledger.lost()), (1, 0));

    let (settlement, _shared, ledger) = self::settlement();
    drop(settlement.clone());
    assert_eq!(ledger.held(), 1);
    drop(settlement);
    assert_eq!((ledger.completed(), ledger.lost()), (0, 1));
}

/// Asks whether the call is settled, as it is woken by its end.
struct Curious {
    settlement: OnceLock<Settlement<Recorded<Slots>>>,
    settled: AtomicBool,
}

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        let settled = self.settlement.get().unwrap().is_settled();
        self.settled.store(settled, Ordering::SeqCst);
    }
}

/// It was settled under its own lock, and whoever was woken by that could not look at it.
#[test]
fn whoever_is_woken_by_a_settlement_may_look_at_it() {
    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        let (settlement, shared, _ledger) = settlement();
        let curious = Arc::new(Curious {
            settlement: OnceLock::from(settlement.clone()),
            settled: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&curious));
        let mut waits = Box::pin(shared.acquire(()));
        assert!(
            waits
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        settlement.settle(None).unwrap();
        done.send(curious.settled.load(Ordering::SeqCst)).unwrap();
    });
    assert_eq!(finished.recv_timeout(secs(10)), Ok(true));
}
