use std::borrow::Cow;

use http::{Response, StatusCode};
use tower_throttle_core::{BoxError, Classify, Outcome, Verdict};

use crate::{Directive, Profile, Signals};

/// Which results are worth another attempt, unless a closure says it: see
/// [`RetryLayer::classify`](super::RetryLayer::classify).
///
/// | result | default | [`throttled`](Self::throttled) |
/// |---|---|---|
/// | 429, 503 with a wait, gRPC `RESOURCE_EXHAUSTED` | [`Throttled`](Outcome::Throttled) | the same |
/// | other 503, gRPC `UNAVAILABLE` | [`Failed`](Outcome::Failed) | the same |
/// | 408, 500, 502, 504, an error | [`Failed`](Outcome::Failed) | not retried |
/// | any other 4xx or 5xx with `x-should-retry: true` | [`Failed`](Outcome::Failed) | not retried |
/// | any other 4xx or 5xx | [`Ignored`](Outcome::Ignored): not retried | the same |
/// | gRPC `OK` | [`Succeeded`](Outcome::Succeeded) | the same |
/// | any other gRPC status | [`Ignored`](Outcome::Ignored): not retried | the same |
/// | anything else | [`Succeeded`](Outcome::Succeeded) | the same |
///
/// A gRPC status counts, and not that of HTTP, where it comes with the head of the response, as it does
/// for a call that fails without having sent a message; `UNAVAILABLE` with a pushback or a `RetryInfo`
/// counts as throttled. The head of a message stream that fails later looks like a success.
///
/// The wait and `x-should-retry` are found where the retry finds them: under its
/// [`profile`](super::RetryLayer::profile), or in the [`Signals`] that a layer further in has put into the
/// extensions of the response.
#[derive(Debug, Clone, Copy, Default)]
pub struct RetryOn(Scope);

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Scope {
    #[default]
    Failures,
    Throttling,
}

impl RetryOn {
    /// Only 429 and 503, and what gRPC has in their places. Errors are passed on as they are.
    #[must_use]
    pub const fn throttled() -> Self {
        Self(Scope::Throttling)
    }

    /// Judges a result: for closures that decide some cases on their own, and leave the rest to this.
    #[must_use]
    pub fn outcome<B>(&self, result: Result<&Response<B>, &BoxError>) -> Outcome {
        match result {
            Ok(response) => self.of_response(response),
            Err(_) => self.unless_narrow(Outcome::Failed),
        }
    }

    fn of_response<B>(self, response: &Response<B>) -> Outcome {
        let status = response.status();
        if let Some(grpc) = response.headers().get("grpc-status") {
            return match grpc.as_bytes() {
                b"0" => Outcome::Succeeded,
                b"8" => Outcome::Throttled,
                b"14" => unavailable(response),
                _ => Outcome::Ignored,
            };
        }
        match status {
            StatusCode::TOO_MANY_REQUESTS => Outcome::Throttled,
            StatusCode::SERVICE_UNAVAILABLE => unavailable(response),
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::GATEWAY_TIMEOUT => self.unless_narrow(Outcome::Failed),
            _ if !status.is_client_error() && !status.is_server_error() => Outcome::Succeeded,
            _ if read(response).directive() == Some(Directive::Retry) => {
                self.unless_narrow(Outcome::Failed)
            }
            _ => Outcome::Ignored,
        }
    }

    fn unless_narrow(self, outcome: Outcome) -> Outcome {
        match self.0 {
            Scope::Failures => outcome,
            Scope::Throttling => Outcome::Ignored,
        }
    }
}

impl<B> Classify<Response<B>, BoxError> for RetryOn {
    type Feedback = Outcome;

    fn classify(&self, result: Result<&Response<B>, &BoxError>) -> Verdict<Outcome> {
        Verdict::Known(self.outcome(result))
    }
}

/// One that says when to come back has turned the request away; the other may have failed halfway.
fn unavailable<B>(response: &Response<B>) -> Outcome {
    match read(response).retry_after() {
        Some(_) => Outcome::Throttled,
        None => Outcome::Failed,
    }
}

fn read<B>(response: &Response<B>) -> Cow<'_, Signals> {
    match response.extensions().get() {
        Some(ReadAs(profile)) => Signals::of(response, profile),
        None => Signals::of(response, &Profile::generic()),
    }
}

/// The profile to read a response under, in its extensions while it is judged. A classifier, which may be a
/// closure that hands some cases on to a [`RetryOn`], is told nothing else.
#[derive(Debug, Clone)]
pub(super) struct ReadAs(Profile);

impl ReadAs {
    /// Marks a response that may be a failure.
    pub(super) fn mark<B>(response: &mut Response<B>, profile: &Profile) {
        let status = response.status();
        let fails = status.is_client_error() || status.is_server_error();
        let may_fail = fails || response.headers().contains_key("grpc-status");
        if may_fail && profile.name() != Profile::generic().name() {
            response.extensions_mut().insert(Self(profile.clone()));
        }
    }
}
