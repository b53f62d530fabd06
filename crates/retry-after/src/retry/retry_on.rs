use http::{HeaderMap, Response, StatusCode};
use tower_throttle_core::{BoxError, Classify, Outcome, Verdict};

use crate::{Directive, Profile, Signals, clock};

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
/// | anything else | [`Succeeded`](Outcome::Succeeded) | the same |
///
/// A gRPC status counts where it comes with the head of the response, as it does for a call that fails
/// without having sent a message; `UNAVAILABLE` with a pushback or a `RetryInfo` counts as throttled.
/// The head of a message stream that fails later looks like a success.
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
            Ok(response) => self.of_head(response.status(), response.headers()),
            Err(_) => self.unless_narrow(Outcome::Failed),
        }
    }

    fn of_head(self, status: StatusCode, headers: &HeaderMap) -> Outcome {
        if let Some(grpc) = headers.get("grpc-status") {
            return match grpc.as_bytes() {
                b"0" => Outcome::Succeeded,
                b"8" => Outcome::Throttled,
                b"14" => unavailable(status, headers),
                _ => Outcome::Ignored,
            };
        }
        match status {
            StatusCode::TOO_MANY_REQUESTS => Outcome::Throttled,
            StatusCode::SERVICE_UNAVAILABLE => unavailable(status, headers),
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::GATEWAY_TIMEOUT => self.unless_narrow(Outcome::Failed),
            _ if !status.is_client_error() && !status.is_server_error() => Outcome::Succeeded,
            _ if read(status, headers).directive() == Some(Directive::Retry) => {
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
fn unavailable(status: StatusCode, headers: &HeaderMap) -> Outcome {
    match read(status, headers).retry_after() {
        Some(_) => Outcome::Throttled,
        None => Outcome::Failed,
    }
}

fn read(status: StatusCode, headers: &HeaderMap) -> Signals {
    Signals::read(headers, status, &Profile::generic(), clock::wall_now())
}
