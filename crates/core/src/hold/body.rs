use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{InFlight, Limiter, Verdict};

pin_project! {
    /// A response body whose end ends the call.
    ///
    /// The call ends with the last frame, with an error, or when the body is dropped. What was
    /// learnt from the head is said in each of these cases: a 429 whose body nobody reads is a 429. But see
    /// [`Limiter::given_up`].
    ///
    /// A layer that holds calls until then makes responses with such bodies only. Those that it makes itself, of
    /// requests that it refuses, have [`free`](HeldBody::free) ones.
    pub struct HeldBody<B, L: Limiter> {
        #[pin]
        body: B,
        call: Call<L>,
    }
}

struct Call<L: Limiter> {
    in_flight: Option<InFlight<L>>,
    verdict: Option<Verdict<L::Feedback>>,
}

impl<B, L: Limiter> HeldBody<B, L> {
    /// A body whose end ends no call.
    pub const fn free(body: B) -> Self {
        let call = Call {
            in_flight: None,
            verdict: None,
        };
        Self { body, call }
    }
}

impl<B: Body, L: Limiter> HeldBody<B, L> {
    pub(super) fn new(body: B, call: Option<(InFlight<L>, Verdict<L::Feedback>)>) -> Self {
        let (in_flight, verdict) = call.unzip();
        let mut call = Call { in_flight, verdict };
        // Nobody asks an empty body for a frame.
        if body.is_end_stream() {
            call.end(None);
        }
        Self { body, call }
    }
}

impl<B: Body, L: Limiter> Body for HeldBody<B, L> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(frame)) if frame.is_trailers() => this.call.end(frame.trailers_ref()),
            // It may not be asked for the end that it has announced.
            Some(Ok(_)) if this.body.is_end_stream() => this.call.end(None),
            Some(Ok(_)) => {}
            Some(Err(_)) => this.call.give_up(),
            None => this.call.end(None),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<L: Limiter> Call<L> {
    /// The body has come to its end.
    fn end(&mut self, trailers: Option<&HeaderMap>) {
        let feedback = match self.verdict.take() {
            Some(Verdict::Known(feedback)) => Some(feedback),
            Some(Verdict::Later(judge)) => judge(trailers),
            None => None,
        };
        self.complete(feedback);
    }

    /// The body has not come to its end, and won't.
    fn give_up(&mut self) {
        let known = match self.verdict.take() {
            Some(Verdict::Known(feedback)) => Some(L::given_up(feedback)),
            _ => None,
        };
        self.complete(known);
    }

    fn complete(&mut self, feedback: Option<L::Feedback>) {
        match (self.in_flight.take(), feedback) {
            (Some(in_flight), Some(feedback)) => in_flight.complete(feedback),
            (in_flight, _) => drop(in_flight),
        }
    }
}

impl<L: Limiter> Drop for Call<L> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<B: fmt::Debug, L: Limiter> fmt::Debug for HeldBody<B, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldBody")
            .field("body", &self.body)
            .field("in_flight", &self.call.in_flight)
            .finish_non_exhaustive()
    }
}
