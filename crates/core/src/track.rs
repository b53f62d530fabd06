//! What follows a permit that was sent.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use crate::{
    Classify, InFlight, Limiter, Shared,
    hold::{Answered, Head, Hold},
};

/// What follows a permit that was sent: nothing ([`Untracked`]), or that its end is told to the
/// limiter ([`Tracked`]).
pub trait Track<L: Limiter, F: Future> {
    /// What an admitted call carries.
    type Guard;
    /// The response that the caller gets.
    type Response;
    /// The error of the inner service, untouched.
    type Error;
    /// The future of the call.
    type Future: Future<Output = Result<Self::Response, Self::Error>>;

    /// The permit is used: the inner service is about to be called.
    fn begin(&self, shared: &Shared<L>, permit: L::Permit) -> Self::Guard;

    /// Follows a call. One that passed unlimited has no guard.
    fn track(&self, guard: Option<Self::Guard>, future: F) -> Self::Future;
}

/// For limiters whose permits are spent by being sent: the future of the inner service is returned
/// as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Untracked;

impl<L, F, Res, Err> Track<L, F> for Untracked
where
    L: Limiter,
    F: Future<Output = Result<Res, Err>>,
{
    type Guard = ();
    type Response = Res;
    type Error = Err;
    type Future = F;

    #[inline]
    fn begin(&self, _shared: &Shared<L>, permit: L::Permit) {
        const {
            assert!(
                !L::COMPLETES,
                "this limiter must be told when a call is over: use `Tracked`"
            )
        }
        drop(permit);
    }

    #[inline]
    fn track(&self, _guard: Option<()>, future: F) -> F {
        future
    }
}

/// For limiters that learn from responses, or count what is in flight.
///
/// A call ends where `H` says, by default at the head of the response, and the limiter learns what
/// `C` makes of it. One that is dropped before ends without feedback.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tracked<C, H = Head> {
    classify: C,
    hold: H,
}

impl<C> Tracked<C> {
    /// Tells the limiter what `classify` makes of each response head.
    pub const fn new(classify: C) -> Self {
        Self {
            classify,
            hold: Head,
        }
    }
}

impl<C, H> Tracked<C, H> {
    /// Ends each call where `hold` says.
    #[must_use]
    pub fn hold<I>(self, hold: I) -> Tracked<C, I> {
        Tracked {
            classify: self.classify,
            hold,
        }
    }
}

impl<L, F, Res, Err, C, H> Track<L, F> for Tracked<C, H>
where
    L: Limiter,
    F: Future<Output = Result<Res, Err>>,
    C: Classify<Res, Err, Feedback = L::Feedback> + Clone,
    H: Hold<L, Res> + Clone,
{
    type Guard = InFlight<L>;
    type Response = H::Response;
    type Error = Err;
    type Future = TrackedFuture<F, L, C, H>;

    #[inline]
    fn begin(&self, shared: &Shared<L>, permit: L::Permit) -> InFlight<L> {
        InFlight::new(shared.clone(), permit)
    }

    #[inline]
    fn track(&self, guard: Option<InFlight<L>>, future: F) -> Self::Future {
        TrackedFuture {
            future,
            in_flight: guard,
            tracked: self.clone(),
        }
    }
}

pin_project! {
    /// The future of a call whose end is told to the limiter.
    pub struct TrackedFuture<F, L: Limiter, C, H> {
        // The call is dropped before its permit: when the permit is free again, so is what it held.
        #[pin]
        future: F,
        in_flight: Option<InFlight<L>>,
        tracked: Tracked<C, H>,
    }
}

impl<F, L, C, H, Res, Err> Future for TrackedFuture<F, L, C, H>
where
    F: Future<Output = Result<Res, Err>>,
    L: Limiter,
    C: Classify<Res, Err, Feedback = L::Feedback>,
    H: Hold<L, Res>,
{
    type Output = Result<H::Response, Err>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.future.poll(cx));
        let classify = &this.tracked.classify;
        let counts = this.in_flight.is_some();
        let verdict = counts.then(|| classify.classify(result.as_ref()));
        let mut call = Answered::of(this.in_flight, verdict);
        Poll::Ready(match result {
            Ok(response) => Ok(this.tracked.hold.hold(&mut call, response)),
            Err(error) => Err(error),
        })
    }
}

impl<F, L: Limiter, C, H> fmt::Debug for TrackedFuture<F, L, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedFuture")
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}
