//! What ends a call.

mod answered;
mod body;
mod settlement;

pub use self::{answered::Answered, body::HeldBody, settlement::Settlement};
use crate::Limiter;

/// Decides what ends a call that the limiter counts as in flight: [`Head`], [`Body`] or [`Caller`].
pub trait Hold<L: Limiter, Res> {
    /// The response, which may carry the call onwards.
    type Response;

    /// Hands the call on inside the response. If it is not [taken](Answered::take), it ends with the head.
    fn hold(&self, call: &mut Answered<'_, L>, response: Res) -> Self::Response;
}

/// The head of the response ends the call.
///
/// A verdict that would come [later](crate::Verdict::Later) is not waited for: it is asked what it makes
/// of the head alone.
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

    #[inline]
    fn hold(&self, _call: &mut Answered<'_, L>, response: Res) -> Res {
        response
    }
}

impl<L: Limiter, B: http_body::Body> Hold<L, http::Response<B>> for Body {
    type Response = http::Response<HeldBody<B, L>>;

    fn hold(&self, call: &mut Answered<'_, L>, response: http::Response<B>) -> Self::Response {
        response.map(|body| HeldBody::new(body, call.take()))
    }
}

impl<L: Limiter, B> Hold<L, http::Response<B>> for Caller {
    type Response = http::Response<B>;

    fn hold(&self, call: &mut Answered<'_, L>, mut response: http::Response<B>) -> Self::Response {
        if let Some((in_flight, _verdict)) = call.take() {
            response.extensions_mut().insert(Settlement::new(in_flight));
        }
        response
    }
}
