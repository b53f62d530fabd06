use std::{
    cmp::Ordering,
    error::Error,
    fmt,
    pin::Pin,
    sync::{Mutex, MutexGuard},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tower_throttle_core::BoxError;

/// What the copies of a body have in common.
pub(super) struct Shared<B> {
    /// `None` after its end.
    live: Option<Pin<Box<B>>>,
    kept: Vec<u8>,
    trailers: Option<HeaderMap>,
    pub(super) cap: usize,
    /// Something was passed on without being kept.
    incomplete: bool,
    /// It ended with an error.
    broken: bool,
    /// How many there have been. They are numbered from 0.
    copies: u64,
    /// The copy that may read.
    reader: u64,
    waiting: Option<Waker>,
}

/// Why a copy has nothing to send.
#[derive(Debug)]
pub(super) enum Gone {
    TakenOver,
    Incomplete,
}

impl<B> Shared<B> {
    pub(super) fn new(body: B, cap: usize) -> Self {
        Self {
            live: Some(Box::pin(body)),
            kept: Vec::new(),
            trailers: None,
            cap,
            incomplete: false,
            broken: false,
            copies: 1,
            reader: 0,
            waiting: None,
        }
    }

    /// The number of one more copy.
    pub(super) fn next_copy(&mut self) -> u64 {
        let copy = self.copies;
        self.copies += 1;
        copy
    }

    /// Makes a copy the newest one and the reader, under a new number; returns that, and the waker of the
    /// one before, which must learn of it. Not if something is missing.
    pub(super) fn claim(&mut self) -> Option<(u64, Option<Waker>)> {
        if self.incomplete {
            return None;
        }
        self.reader = self.next_copy();
        Some((self.reader, self.waiting.take()))
    }

    /// Lets a copy read: a newer one than the reader takes over. Returns the waker of the one before.
    pub(super) fn admit(&mut self, copy: u64) -> Result<Option<Waker>, Gone> {
        self.gone(copy).map_or(Ok(()), Err)?;
        let overtaken = (copy > self.reader).then(|| self.waiting.take());
        self.reader = copy;
        Ok(overtaken.flatten())
    }

    /// Why this copy has nothing to send, if it hasn't.
    fn gone(&self, copy: u64) -> Option<Gone> {
        match copy.cmp(&self.reader) {
            Ordering::Less => Some(Gone::TakenOver),
            Ordering::Equal => self.broken.then_some(Gone::Incomplete),
            Ordering::Greater => self.incomplete.then_some(Gone::Incomplete),
        }
    }

    /// What the reader, which has read so much, has yet to read of what was kept.
    pub(super) fn replay(&self, read: usize, trailers_read: bool) -> Option<Frame<Bytes>> {
        if let Some(rest) = self.rest(read) {
            return Some(Frame::data(Bytes::copy_from_slice(rest)));
        }
        let trailers = self.trailers.as_ref().filter(|_| !trailers_read);
        trailers.cloned().map(Frame::trailers)
    }

    /// The data that was kept beyond this.
    fn rest(&self, read: usize) -> Option<&[u8]> {
        self.kept.get(read..).filter(|rest| !rest.is_empty())
    }

    /// The reader waits; returns the waker that it left before.
    pub(super) fn wait(&mut self, waker: Waker) -> Option<Waker> {
        self.waiting.replace(waker)
    }

    fn forget(&mut self) {
        self.incomplete = true;
        self.kept = Vec::new();
    }
}

impl<B> Shared<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// Reads on, for the reader that has read all that was kept.
    pub(super) fn poll_live(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(live) = &mut self.live else {
            return Poll::Ready(None);
        };
        Poll::Ready(match ready!(live.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => {
                let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                self.keep(&frame);
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.live = None;
                self.broken = true;
                self.forget();
                Some(Err(error.into()))
            }
            None => {
                self.live = None;
                None
            }
        })
    }

    /// Whether nothing is left for a copy that has read so much. One that may not read on is at no end:
    /// whoever sends it would take a part of the body for the whole.
    pub(super) fn is_end_stream(&self, copy: u64, read: usize, trailers_read: bool) -> bool {
        let unread = self.rest(read).is_some() || self.trailers.is_some() && !trailers_read;
        let live_ended = |live: &Pin<Box<B>>| live.is_end_stream();
        self.gone(copy).is_none() && !unread && self.live.as_ref().is_none_or(live_ended)
    }

    /// What is left for a copy that has read so much: anything, for one that may not read on.
    pub(super) fn size_hint(&self, copy: u64, read: usize) -> SizeHint {
        let mut hint = SizeHint::new();
        if self.gone(copy).is_some() {
            return hint;
        }
        let kept = self.rest(read).map_or(0, <[u8]>::len) as u64;
        let rest = self.live.as_ref().map(|live| live.size_hint());
        let rest = rest.unwrap_or_else(|| SizeHint::with_exact(0));
        hint.set_lower(rest.lower().saturating_add(kept));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(kept)) {
            hint.set_upper(upper);
        }
        hint
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        }
        let data = frame.data_ref().map_or(&[][..], |data| data);
        let rest = self
            .live
            .as_ref()
            .map_or(0, |live| live.size_hint().lower());
        let kept = (self.kept.len() + data.len()) as u64;
        // One that says that it will be too long isn't kept until it is.
        if kept.saturating_add(rest) > self.cap as u64 {
            self.forget();
        } else if !self.incomplete {
            self.grow(data.len());
            self.kept.extend_from_slice(data);
        }
    }

    /// Makes room for so much more, which fits: doubling, but not beyond the cap.
    fn grow(&mut self, more: usize) {
        let (room, length) = (self.kept.capacity(), self.kept.len());
        let needed = length + more;
        if needed > room {
            let room = room.saturating_mul(2).min(self.cap).max(needed);
            self.kept.reserve_exact(room - length);
        }
    }
}

/// A body that panicked may have lost something, so it isn't sent again.
pub(super) fn lock<B>(shared: &Mutex<Shared<B>>) -> MutexGuard<'_, Shared<B>> {
    shared.lock().unwrap_or_else(|poisoned| {
        let mut shared = poisoned.into_inner();
        shared.forget();
        shared
    })
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TakenOver => "a later attempt sends the body",
            Self::Incomplete => "the body was too long to be kept, or broke off",
        })
    }
}

impl Error for Gone {}

#[cfg(test)]
mod tests {
    use super::*;

    type Kept = Shared<http_body_util::Empty<Bytes>>;

    /// The first version kept up to twice the cap in memory, and promised the cap.
    #[test]
    fn what_is_kept_takes_no_more_memory_than_the_cap() {
        for (cap, pieces) in [(100, 7), (100, 1), (100, 100), (65_536, 1000), (3, 1)] {
            let mut shared = Kept::new(http_body_util::Empty::new(), cap);
            let mut grown = 0;
            while shared.kept.len() + pieces <= cap {
                let room = shared.kept.capacity();
                shared.keep(&Frame::data(vec![7; pieces].into()));
                grown += usize::from(shared.kept.capacity() > room);
            }
            assert!(!shared.incomplete && shared.kept.capacity() <= cap, "{cap}");
            assert!(grown <= 8, "{grown} times");
        }
    }
}
