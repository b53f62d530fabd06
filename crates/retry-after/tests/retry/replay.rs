//! Bodies that are sent again.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use proptest::prelude::*;
use tokio_test::{assert_pending, task};
use tower::service_fn;
use tower_throttle_core::BoxError;
use tower_throttle_retry_after::{
    Replay, ReplayBody,
    retry::{Attempts, Budget, GivenUp},
};

use crate::{exact, paused, send, server::Broken};

/// A body whose frames come one by one, when the test says so. It can't be cloned.
struct Stream(Arc<Mutex<Source>>);

#[derive(Default)]
struct Source {
    frames: VecDeque<Result<Frame<Bytes>, Broken>>,
    ended: bool,
    waker: Option<Waker>,
    length: Option<u64>,
}

/// The other end of a [`Stream`].
#[derive(Clone, Default)]
struct Feed(Arc<Mutex<Source>>);

impl Feed {
    fn open() -> (Self, ReplayBody<Stream>) {
        let feed = Self::default();
        let stream = Stream(Arc::clone(&feed.0));
        (feed, ReplayBody::new(stream))
    }

    /// All at once.
    fn whole(chunks: impl IntoIterator<Item = Vec<u8>>) -> (Self, ReplayBody<Stream>) {
        let (feed, body) = Self::open();
        chunks.into_iter().for_each(|chunk| feed.data(chunk));
        feed.end();
        (feed, body)
    }

    fn data(&self, data: impl Into<Bytes>) {
        self.frame(Ok(Frame::data(data.into())));
    }

    fn trailers(&self, name: &'static str) {
        let trailers = HeaderMap::from_iter([(name.parse().unwrap(), "x".parse().unwrap())]);
        self.frame(Ok(Frame::trailers(trailers)));
    }

    fn frame(&self, frame: Result<Frame<Bytes>, Broken>) {
        let mut source = self.0.lock().unwrap();
        source.frames.push_back(frame);
        source.wake();
    }

    fn end(&self) {
        let mut source = self.0.lock().unwrap();
        source.ended = true;
        source.wake();
    }
}

impl Source {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let mut source = self.0.lock().unwrap();
        match source.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None if source.ended => Poll::Ready(None),
            None => {
                source.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let source = self.0.lock().unwrap();
        let left: usize = source.frames.iter().map(length).sum();
        match source.length {
            Some(length) => SizeHint::with_exact(length),
            None if source.ended => SizeHint::with_exact(left as u64),
            None => SizeHint::new(),
        }
    }
}

fn length(frame: &Result<Frame<Bytes>, Broken>) -> usize {
    let data = frame.as_ref().ok().and_then(Frame::data_ref);
    data.map_or(0, Bytes::len)
}

async fn read(body: ReplayBody<Stream>) -> Bytes {
    body.collect().await.unwrap().to_bytes()
}

/// Reads `frames` frames of a body.
async fn read_some(body: &mut ReplayBody<Stream>, frames: usize) -> Vec<u8> {
    let mut data = Vec::new();
    for _ in 0..frames {
        if let Some(frame) = body.frame().await {
            data.extend(frame.unwrap().into_data().unwrap_or_default());
        }
    }
    data
}

#[tokio::test]
async fn a_body_is_sent_again_from_its_start() {
    let (_, first) = Feed::whole(["one ", "two"].map(Into::into));
    let mut second = first.replay();
    assert_eq!(read(first).await, "one two");
    assert!(second.claim());
    assert_eq!(second.size_hint().exact(), Some(7));
    let third = second.replay();
    assert_eq!(read(second).await, "one two");
    assert_eq!(read(third).await, "one two");
}

#[tokio::test]
async fn a_body_of_which_a_part_was_sent_goes_on_with_the_rest() {
    let (feed, mut first) = Feed::open();
    let mut second = first.replay();
    feed.data("kept ");
    assert_eq!(read_some(&mut first, 1).await, b"kept ");
    drop(first);
    assert!(second.claim());
    let mut rest = task::spawn(read(second));
    assert_pending!(rest.poll());
    feed.data("live");
    feed.end();
    assert!(rest.is_woken());
    assert_eq!(rest.await, "kept live");
}

#[tokio::test]
async fn trailers_are_sent_again() {
    let (feed, first) = Feed::whole(["data".into()]);
    feed.trailers("checksum");
    let second = first.replay();
    for body in [first, second] {
        let all = body.collect().await.unwrap();
        assert!(all.trailers().unwrap().contains_key("checksum"));
        assert_eq!(all.to_bytes(), "data");
    }
}

/// A body that breaks off after its first half.
struct Breaks(bool);

impl Body for Breaks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(match std::mem::replace(&mut self.0, true) {
            false => Ok(Frame::data(Bytes::from_static(b"half"))),
            true => Err(io::ErrorKind::BrokenPipe.into()),
        }))
    }
}

/// The first version was at its end after the error: whoever went on took half of a body for the whole.
#[test]
fn a_body_that_broke_off_never_seems_to_be_at_its_end() {
    let mut body = ReplayBody::new(Breaks(false));
    let mut cx = Context::from_waker(Waker::noop());
    let mut next = |body: &mut ReplayBody<_>| Pin::new(body).poll_frame(&mut cx);
    assert!(matches!(next(&mut body), Poll::Ready(Some(Ok(_)))));
    for _ in 0..2 {
        assert!(matches!(next(&mut body), Poll::Ready(Some(Err(_)))));
        assert!(!body.is_end_stream() && body.size_hint().exact().is_none());
        let mut other = body.replay();
        assert!(!other.is_end_stream() && !other.claim());
    }
}

#[tokio::test]
async fn a_body_up_to_the_cap_can_be_sent_again_and_none_beyond_but_nothing_is_lost() {
    for (length, fits) in [
        (0, true),
        (99, true),
        (100, true),
        (101, false),
        (5000, false),
    ] {
        for chunk in [1, 7, 100] {
            let data = vec![7; length];
            let (_, first) = Feed::whole(data.chunks(chunk).map(Into::into));
            let first = first.cap(100);
            let mut second = first.replay();
            assert_eq!(read(first).await, data, "{length} in {chunk}");
            assert_eq!(second.claim(), fits, "{length} in {chunk}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_can_be_sent_again_as_long_as_nothing_was_read() {
    let (_, first) = Feed::whole([vec![1; 200]]);
    let mut second = first.cap(100).replay();
    assert!(second.claim());
    let mut third = second.replay();
    assert_eq!(read(second).await.len(), 200);
    assert!(!third.claim());
    let error = third.collect().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the body was too long to be kept, or broke off"
    );
}

/// What is known to be too long needn't be kept until it is.
#[tokio::test]
async fn of_a_body_that_says_its_length_nothing_is_kept_in_vain() {
    let (feed, first) = Feed::open();
    feed.0.lock().unwrap().length = Some(100);
    let mut first = first.cap(100);
    let mut second = first.replay();
    feed.data("some of it");
    read_some(&mut first, 1).await;
    assert!(!second.claim());
}

/// If it ended instead, the server would take a part for the whole.
#[tokio::test]
async fn an_attempt_that_still_sends_fails_when_the_next_one_takes_over() {
    let (feed, first) = Feed::open();
    let mut second = first.replay();
    feed.data("kept ");
    let mut first = task::spawn(first.collect());
    assert_pending!(first.poll());
    assert!(second.claim());
    assert!(first.is_woken(), "it would wait for ever");
    let error = first.await.unwrap_err();
    assert_eq!(error.to_string(), "a later attempt sends the body");
    feed.data("live");
    feed.end();
    assert_eq!(read(second).await, "kept live");
}

#[tokio::test]
async fn until_the_next_attempt_takes_over_the_last_one_goes_on() {
    let (feed, mut first) = Feed::open();
    let second = first.replay();
    feed.data("a");
    read_some(&mut first, 1).await;
    feed.data("b");
    read_some(&mut first, 1).await;
    feed.end();
    assert_eq!(read(second).await, "ab");
}

#[tokio::test]
async fn a_body_that_broke_off_cannot_be_sent_again() {
    let (feed, first) = Feed::open();
    let mut second = first.replay();
    feed.data("a");
    feed.frame(Err(Broken));
    let error = first.collect().await.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Broken));
    assert!(!second.claim());
}

/// Panics, as if in the middle of a frame.
struct Panics;

impl Body for Panics {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        panic!("in the middle of a frame")
    }
}

#[tokio::test]
async fn a_body_that_panicked_cannot_be_sent_again() {
    let mut first = ReplayBody::new(Panics);
    let mut second = first.replay();
    let panicked = tokio::spawn(async move { first.frame().await.is_some() }).await;
    assert!(panicked.unwrap_err().is_panic());
    assert!(!second.claim());
}

#[tokio::test]
async fn the_length_and_the_end_of_a_body_are_those_of_the_original() {
    let empty = ReplayBody::new(Empty::<Bytes>::new());
    assert!(empty.is_end_stream() && empty.size_hint().exact() == Some(0));
    let mut full = ReplayBody::new(Full::new(Bytes::from("hello")));
    let again = full.replay();
    assert!(!full.is_end_stream() && full.size_hint().exact() == Some(5));
    full.frame().await.unwrap().unwrap();
    assert!(full.is_end_stream() && full.size_hint().exact() == Some(0));
    assert!(!again.is_end_stream() && again.size_hint().exact() == Some(5));
    let (feed, mut open) = Feed::open();
    assert_eq!(
        (open.size_hint().lower(), open.size_hint().upper()),
        (0, None)
    );
    feed.data("hello");
    let again = open.replay();
    read_some(&mut open, 1).await;
    assert_eq!(
        (again.size_hint().lower(), again.size_hint().upper()),
        (5, None)
    );
}

/// The first version numbered copies when they were made, so that those of a retry further in were newer
/// than what the one further out had put aside, which was given up for its body.
#[tokio::test]
async fn whoever_claims_last_sends_whichever_copy_was_made_first() {
    let (_, mut first) = Feed::whole(["one ", "two"].map(Into::into));
    let mut outer = first.replay();
    let mut inner = first.replay();
    read_some(&mut first, 1).await;
    assert!(inner.claim());
    assert_eq!(read_some(&mut inner, 1).await, b"one ");
    assert!(outer.claim());
    inner.frame().await.unwrap().unwrap_err();
    assert_eq!(read_some(&mut outer, 1).await, b"one ");
    assert!(outer.claim(), "from its start");
    assert_eq!(read(outer).await, "one two");
}

#[tokio::test(start_paused = true)]
async fn a_retry_inside_of_a_retry_sends_all_of_the_body_each_time() {
    let sent = Sent::default();
    let log = Arc::clone(&sent);
    let server = service_fn(move |request: Request<ReplayBody<Stream>>| {
        let log = Arc::clone(&log);
        async move {
            let data = request.into_body().collect().await?.to_bytes();
            log.lock().unwrap().push(data);
            let done = log.lock().unwrap().len() == 6;
            Ok::<_, BoxError>(
                Response::builder()
                    .status(if done { 200 } else { 503 })
                    .body(())?,
            )
        }
    });
    let (_, body) = Feed::whole(["one ", "two"].map(Into::into));
    let retry = || exact().max_retries(1);
    let layer = tower::ServiceBuilder::new()
        .layer(exact())
        .layer(retry())
        .into_inner();
    let response = send(&layer, server, Request::put("/").body(body).unwrap()).await;
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(*sent.lock().unwrap(), ["one two"; 6]);
}

fn seems_over(body: &ReplayBody<Stream>) -> (bool, Option<u64>) {
    (body.is_end_stream(), body.size_hint().upper())
}

/// The first version told of what was left in sum: a copy of which 4 of 20 bytes were sent seemed to be
/// whole as soon as another one had come to the end.
#[tokio::test]
async fn a_copy_that_was_overtaken_never_seems_to_be_at_its_end() {
    let (_, mut first) = Feed::whole([4, 8, 8].map(|length| vec![7; length]));
    let mut second = first.replay();
    read_some(&mut first, 1).await;
    assert!(second.claim());
    assert_eq!(seems_over(&first), (false, None));
    assert_eq!(read(second).await.len(), 20);
    assert_eq!(seems_over(&first), (false, None));
    first.frame().await.unwrap().unwrap_err();
    assert_eq!(seems_over(&first), (false, None));
}

/// The first version took a body of which nothing was kept for an empty one.
#[tokio::test]
async fn a_copy_that_cannot_be_sent_any_more_never_seems_to_be_empty() {
    let (_, first) = Feed::whole([vec![7; 20]]);
    let first = first.cap(10);
    let mut second = first.replay();
    assert_eq!(read(first).await.len(), 20);
    assert_eq!(seems_over(&second), (false, None));
    assert!(!second.claim());
    assert_eq!(seems_over(&second), (false, None));
}

#[tokio::test]
async fn the_original_is_freed_with_the_last_copy() {
    let (feed, first) = Feed::open();
    let second = first.replay();
    drop(first);
    assert_eq!(Arc::strong_count(&feed.0), 2);
    drop(second);
    assert_eq!(Arc::strong_count(&feed.0), 1);
}

type Sent = Arc<Mutex<Vec<Bytes>>>;

/// A server that reads so many frames of each body, and answers with these statuses in turn.
fn server(
    reads: usize,
    statuses: [u16; 3],
) -> (
    Sent,
    impl tower::Service<
        Request<ReplayBody<Stream>>,
        Response = Response<()>,
        Error = BoxError,
        Future: Send,
    > + Clone,
) {
    let sent = Sent::default();
    let log = Arc::clone(&sent);
    let service = service_fn(move |request: Request<ReplayBody<Stream>>| {
        let log = Arc::clone(&log);
        async move {
            let mut body = request.into_body();
            let status = statuses[log.lock().unwrap().len()];
            let data = match status {
                200 => body.collect().await?.to_bytes(),
                _ => read_some(&mut body, reads).await.into(),
            };
            log.lock().unwrap().push(data);
            Ok(Response::builder().status(status).body(())?)
        }
    });
    (sent, service)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_answered_early_is_sent_again_with_all_of_its_body() {
    for reads in 0..4 {
        let (_, body) = Feed::whole(["one ", "two ", "three"].map(Into::into));
        let (sent, server) = server(reads, [429, 503, 200]);
        let response = send(&exact(), server, Request::put("/").body(body).unwrap()).await;
        assert_eq!(response.unwrap().status(), 200);
        assert_eq!(sent.lock().unwrap()[2], "one two three");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_body_was_too_long_is_not_retried_and_pays_nothing() {
    let (_, body) = Feed::whole([vec![1; 200], vec![2; 200]]);
    let (sent, server) = server(1, [503, 200, 200]);
    let budget = Budget::default();
    let layer = exact().budget(budget.clone());
    let request = Request::put("/").body(body.cap(300)).unwrap();
    let response = send(&layer, server, request).await.unwrap();
    let attempts = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(attempts.given_up(), Some(GivenUp::Body));
    assert_eq!((sent.lock().unwrap().len(), budget.available()), (1, 500));
}

proptest! {
    /// However a body comes, and wherever its attempts are broken off, the last one sends all of it.
    #[test]
    fn a_replay_sends_the_same_bytes(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
        breaks in prop::collection::vec(0_usize..25, 0..5),
        trailers in any::<bool>(),
    ) {
        let whole = chunks.concat();
        let (feed, mut body) = Feed::whole(chunks);
        if trailers {
            feed.trailers("checksum");
        }
        paused(async {
            for frames in breaks {
                let mut next = body.replay();
                let begun = read_some(&mut body, frames).await;
                assert!(whole.starts_with(&begun));
                assert!(next.claim());
                assert_eq!(next.size_hint().exact(), Some(whole.len() as u64));
                body = next;
            }
            let all = body.collect().await.unwrap();
            assert_eq!(all.trailers().is_some(), trailers);
            assert_eq!(all.to_bytes(), whole);
        });
    }
}
