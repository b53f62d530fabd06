use http::{HeaderMap, HeaderName, StatusCode, header};

/// Turns the result of a call into what a limiter learns.
///
/// Implemented for every `Fn(Result<&Res, &Err>) -> Feedback`, and for [`HttpOutcome`]. What a
/// [`Filter`](crate::Filter) lets pass unlimited isn't judged.
pub trait Classify<Res, Err> {
    /// What the limiter learns.
    type Feedback;

    /// Judges by the head of the response, or by the error.
    fn classify(&self, result: Result<&Res, &Err>) -> Verdict<Self::Feedback>;
}

/// A judgement, or that it takes more than the head of the response.
#[derive(Debug, Clone, Copy)]
pub enum Verdict<T> {
    /// What the limiter learns.
    Known(T),
    /// The end of the body decides: this judges by the trailers, if there are any.
    ///
    /// Only a call that is [held](crate::hold) until the end of its body has trailers to judge by. One
    /// that ends with its head is judged as if there were none.
    Later(fn(Option<&HeaderMap>) -> Option<T>),
}

/// What a response means to a limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The server says: too much.
    Throttled,
    /// The server is in trouble: no word on the rate, a drop for a concurrency limit.
    Failed,
    /// It says nothing about load: a request that was wrong in itself, a call that was given up.
    Ignored,
    /// The server could take it.
    Succeeded,
}

/// Judges HTTP and gRPC responses by their status.
///
/// | response | outcome |
/// |---|---|
/// | 429, 503 with `Retry-After` | [`Throttled`](Outcome::Throttled) |
/// | other 5xx, 408, an error | [`Failed`](Outcome::Failed) |
/// | other 4xx | [`Ignored`](Outcome::Ignored) |
/// | any other status | [`Succeeded`](Outcome::Succeeded) |
/// | gRPC `RESOURCE_EXHAUSTED` | [`Throttled`](Outcome::Throttled) |
/// | gRPC `UNAVAILABLE`, `UNKNOWN`, `DEADLINE_EXCEEDED`, `INTERNAL`, `DATA_LOSS` | [`Failed`](Outcome::Failed) |
/// | gRPC `OK` | [`Succeeded`](Outcome::Succeeded) |
/// | any other gRPC status | [`Ignored`](Outcome::Ignored) |
///
/// A gRPC response whose head carries no `grpc-status` is judged by its trailers. Without any, because the
/// call is not held until they come, it has [`Succeeded`](Outcome::Succeeded): the server let it in.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpOutcome;

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

impl HttpOutcome {
    /// Judges a gRPC call by its trailers, or by the head of a response that has nothing else. `None`
    /// if they carry no `grpc-status`.
    ///
    /// The codes: <https://grpc.io/docs/guides/status-codes/>.
    #[must_use]
    pub fn by_trailers(trailers: &HeaderMap) -> Option<Outcome> {
        Some(match trailers.get(&GRPC_STATUS)?.as_bytes() {
            b"0" => Outcome::Succeeded,
            // RESOURCE_EXHAUSTED
            b"8" => Outcome::Throttled,
            // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS
            b"2" | b"4" | b"13" | b"14" | b"15" => Outcome::Failed,
            _ => Outcome::Ignored,
        })
    }
}

impl<B, Err> Classify<http::Response<B>, Err> for HttpOutcome {
    type Feedback = Outcome;

    fn classify(&self, result: Result<&http::Response<B>, &Err>) -> Verdict<Outcome> {
        let Ok(response) = result else {
            return Verdict::Known(Outcome::Failed);
        };
        let headers = response.headers();
        if let Some(outcome) = Self::by_trailers(headers) {
            return Verdict::Known(outcome);
        }
        if response.status() == StatusCode::OK && is_grpc(headers) {
            return Verdict::Later(|trailers| {
                trailers.map_or(Some(Outcome::Succeeded), Self::by_trailers)
            });
        }
        Verdict::Known(by_status(response.status(), headers))
    }
}

impl<Res, Err, T, F> Classify<Res, Err> for F
where
    F: Fn(Result<&Res, &Err>) -> T,
{
    type Feedback = T;

    fn classify(&self, result: Result<&Res, &Err>) -> Verdict<T> {
        Verdict::Known(self(result))
    }
}

fn by_status(status: StatusCode, headers: &HeaderMap) -> Outcome {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Outcome::Throttled,
        StatusCode::SERVICE_UNAVAILABLE if headers.contains_key(header::RETRY_AFTER) => {
            Outcome::Throttled
        }
        StatusCode::REQUEST_TIMEOUT => Outcome::Failed,
        status if status.is_server_error() => Outcome::Failed,
        status if status.is_client_error() => Outcome::Ignored,
        _ => Outcome::Succeeded,
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}
