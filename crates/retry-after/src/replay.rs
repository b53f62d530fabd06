mod shared;

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tower_throttle_core::BoxError;

use self::shared::{Shared, lock};

/// A request body that can be sent again.
///
/// Every body that is `Clone` is one: its clones are. A [`ReplayBody`] makes one of any other.
pub trait Replay: Sized {
    /// Another one of the same content, made before this one is sent.
    #[must_use]
    fn replay(&self) -> Self;

    /// Prepares for being sent, from its start, in the place of every other copy, of which none, a part or
    /// all may have been sent. False if the content isn't to be had whole any more: then it must not be
    /// sent.
    #[must_use]
    fn claim(&mut self) -> bool;
}

impl<B: Clone> Replay for B {
    fn replay(&self) -> Self {
        self.clone()
    }

    fn claim(&mut self) -> bool {
        true
    }
}

/// Makes any body replayable: what is sent of it is kept, up to a cap.
///
/// ```text
///  body       ██████████░░░░░░░░░░   ░ has yet to come
///  attempt 1  ████▶ answered early: 503
///  kept       ████
///  attempt 2  ████│█████▶            first what was kept, then the rest, live
/// ```
///
/// Nothing is read ahead, and a body that fits needn't be read to its end for an attempt to be
/// repeated. Beyond the cap nothing is kept and the request isn't retried; its one attempt gets the
/// body as it comes, so nothing is lost.
///
/// Put it on before the [`RetryLayer`](crate::RetryLayer) sees the request:
///
/// ```
/// use http::Request;
/// use tower::ServiceBuilder;
/// use tower_throttle_retry_after::{ReplayBody, RetryLayer};
/// # use http_body_util::combinators::UnsyncBoxBody;
/// # type Streamed = UnsyncBoxBody<bytes::Bytes, std::io::Error>;
/// # let client = tower::service_fn(|_: Request<ReplayBody<Streamed>>| async {
/// #     Ok::<_, std::io::Error>(http::Response::new(()))
/// # });
///
/// let client = ServiceBuilder::new()
///     .map_request(|request: Request<Streamed>| request.map(ReplayBody::new))
///     .layer(RetryLayer::new())
///     .service(client);
/// # drop(client);
/// ```
///
/// # Sharing
///
/// The copies of a body share the original and what was kept of it; all is freed with the last of them.
/// Only the one that was claimed last goes on, or, where nobody claims, the newest one that is read:
/// another one that a client is still sending, because the server answered before the end, fails with an
/// error. (Were it to end instead, it would look complete.) So one retry may stand inside of another: each
/// claims the body for its attempt.
///
/// # Cost
///
/// Two allocations for each body beside what is kept, and a lock for each frame.
///
/// What is kept is copied, in however small pieces it came, to memory that grows by doubling and never
/// beyond the cap; while it grows, the old half is there as well. Trailers come on top. An attempt that
/// replays it sends a copy of all that it has yet to send as one frame: as much once more, until the
/// client is done with that.
pub struct ReplayBody<B> {
    shared: Arc<Mutex<Shared<B>>>,
    copy: u64,
    read: usize,
    trailers_read: bool,
}

impl<B: Body> ReplayBody<B> {
    /// Up to how many bytes a body is kept by default: 64 KiB, as linkerd's.
    pub const CAP: usize = 64 * 1024;

    /// Makes a body replayable if it is no longer than [`CAP`](Self::CAP).
    #[must_use]
    pub fn new(body: B) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared::new(body, Self::CAP))),
            copy: 0,
            read: 0,
            trailers_read: false,
        }
    }

    /// Up to how many bytes the body is kept. With 0, a request is repeated only if none of its body was
    /// read.
    ///
    /// To be set before anything is read.
    #[must_use]
    pub fn cap(self, bytes: usize) -> Self {
        lock(&self.shared).cap = bytes;
        self
    }
}

impl<B> Replay for ReplayBody<B> {
    fn replay(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            copy: lock(&self.shared).next_copy(),
            read: 0,
            trailers_read: false,
        }
    }

    fn claim(&mut self) -> bool {
        // The lock is released first: whoever is woken may have a copy of its own to drop.
        let claimed = lock(&self.shared).claim();
        let Some((copy, overtaken)) = claimed else {
            return false;
        };
        overtaken.into_iter().for_each(Waker::wake);
        self.copy = copy;
        self.read = 0;
        self.trailers_read = false;
        true
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let mut shared = lock(&this.shared);
        let overtaken = match shared.admit(this.copy) {
            Ok(overtaken) => overtaken,
            Err(gone) => return Poll::Ready(Some(Err(gone.into()))),
        };
        let frame = match shared.replay(this.read, this.trailers_read) {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => shared.poll_live(cx),
        };
        let stale = match &frame {
            Poll::Pending => shared.wait(cx.waker().clone()),
            Poll::Ready(_) => None,
        };
        drop(shared);
        // Outside the lock: whose these are may have a copy of its own to drop.
        drop(stale);
        if let Some(overtaken) = overtaken {
            overtaken.wake();
        }
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            this.read += frame.data_ref().map_or(0, Bytes::len);
            this.trailers_read |= frame.is_trailers();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.shared).is_end_stream(self.copy, self.read, self.trailers_read)
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.shared).size_hint(self.copy, self.read)
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody")
            .field("copy", &self.copy)
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}
