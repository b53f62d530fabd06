//! What ends a call.

mod body;
mod settlement;

pub use self::{body::HeldBody, settlement::Settlement};
use crate::{InFlight, Limiter, Verdict};

/// Decides what ends a call that the limiter counts as in flight: [`Head`], [`Body`] or [`Caller`].
pub trait Hold<L: Limiter, Res> {
    /// The response, which may carry the call onwards.
    type Response;

    /// Ends the call, or hands it on inside the response.
    ///
    /// `in_flight` is `None` for a request that no limiter counts.
    fn hold(
        &self,
        in_flight: Option<InFlight<L>>,
        verdict: Verdict<L::Feedback>,
        response: Res,
    ) -> Self::Response;
}

/// The head of the response ends the call.
///
/// A verdict that would come [later](Verdict::Later) is not waited for: it is asked what it makes of the
/// head alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head;

/// The end of the body ends the call: its last frame, its trailers, an error, or its drop.
#[derive(Debug, Clone, Copy, Default)]
pub struct Body;

/// The caller ends the call, through the [`Settlement`] in the extensions of the response.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller;

impl<L: Limiter, Res> Hold<L, Res> for Head {
    type Response = Res;

    fn hold(
        &self,
        in_flight: Option<InFlight<L>>,
        verdict: Verdict<L::Feedback>,
        response: Res,
    ) -> Res {
        let feedback = match verdict {
            Verdict::Known(feedback) => Some(feedback),
            Verdict::Later(judge) => judge(None),
        };
        if let (Some(in_flight), Some(feedback)) = (in_flight, feedback) {
            in_flight.complete(feedback);
        }
        response
    }
}

impl<L: Limiter, B: http_body::Body> Hold<L, http::Response<B>> for Body {
    type Response = http::Response<HeldBody<B, L>>;

    fn hold(
        &self,
        in_flight: Option<InFlight<L>>,
        verdict: Verdict<L::Feedback>,
        response: http::Response<B>,
    ) -> Self::Response {
        response.map(|body| HeldBody::new(body, in_flight, verdict))
    }
}

impl<L: Limiter, B> Hold<L, http::Response<B>> for Caller {
    type Response = http::Response<B>;

    fn hold(
        &self,
        in_flight: Option<InFlight<L>>,
        _verdict: Verdict<L::Feedback>,
        mut response: http::Response<B>,
    ) -> Self::Response {
        if let Some(in_flight) = in_flight {
            response.extensions_mut().insert(Settlement::new(in_flight));
        }
        response
    }
}
