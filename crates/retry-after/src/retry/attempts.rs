use std::{fmt, time::Duration};

use http::{Response, StatusCode};
use tower_throttle_core::BoxError;

use super::kind::chain;

/// What it took to get a response: in its extensions, unless the first attempt succeeded, or was to be the
/// only one ([`max_retries`](super::RetryLayer::max_retries) of 0).
///
/// ```
/// # use http::Response;
/// use tower_throttle_retry_after::retry::Attempts;
///
/// fn retries<B>(response: &Response<B>) -> usize {
///     let attempts = response.extensions().get::<Attempts>();
///     attempts.map_or(0, |attempts| attempts.retries().len())
/// }
/// # assert_eq!(retries(&Response::new(())), 0);
/// ```
///
/// An error is passed on as it is, and carries none of this; the events `retry` and `retry_given_up` of
/// `tracing` tell it in both cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempts {
    pub(super) retries: Vec<Retried>,
    pub(super) given_up: Option<GivenUp>,
}

/// An attempt that failed and was followed by another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    pub(super) failure: Failure,
    pub(super) wait: Duration,
}

/// How an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// With this status.
    Status(StatusCode),
    /// With this [gRPC status](https://grpc.io/docs/guides/status-codes/).
    Grpc(u32),
    /// With an error, whose text and causes this is.
    Error(Box<str>),
}

/// Why a failure was not retried (any more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GivenUp {
    /// `max_retries` retries were made.
    Exhausted,
    /// The server forbids it, or the request asks a limiter for more than there ever is.
    Stopped,
    /// The request may have been carried out, and isn't known to be idempotent.
    NotIdempotent,
    /// The server, or a limiter, asks for a wait longer than `max_wait`.
    TooLong,
    /// The next attempt would begin after the deadline.
    Deadline,
    /// The budget is spent.
    Budget,
    /// The body can't be sent again: it was too long to be kept, or broke off.
    Body,
}

impl Attempts {
    /// The attempts that were retried, in order. There was one more, which gave this response.
    #[must_use]
    pub fn retries(&self) -> &[Retried] {
        &self.retries
    }

    /// Why this response, a failure too, was not retried; `None` if it isn't one.
    #[must_use]
    pub fn given_up(&self) -> Option<GivenUp> {
        self.given_up
    }
}

impl Retried {
    /// How the attempt failed.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// How long was waited after it.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.wait
    }
}

impl Failure {
    pub(super) fn of<R>(result: &Result<Response<R>, BoxError>) -> Self {
        match result {
            Ok(response) => match grpc_status(response) {
                Some(code) => Self::Grpc(code),
                None => Self::Status(response.status()),
            },
            Err(error) => {
                let texts: Vec<_> = chain(error).map(ToString::to_string).collect();
                Self::Error(texts.join(": ").into())
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Grpc(code) => write!(f, "gRPC status {code}"),
            Self::Error(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exhausted => "no retries are left",
            Self::Stopped => "a retry is forbidden or useless",
            Self::NotIdempotent => "the request isn't known to be idempotent",
            Self::TooLong => "the wait would be too long",
            Self::Deadline => "the deadline would pass",
            Self::Budget => "the retry budget is spent",
            Self::Body => "the body can't be sent again",
        })
    }
}

fn grpc_status<R>(response: &Response<R>) -> Option<u32> {
    let status = response.headers().get("grpc-status")?;
    status.to_str().ok()?.parse().ok()
}
