//! What the tests share: words, instants, and a server that says what it is told to.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_throttle_core::{BoxError, Limiter, Outcome, Wait};
use tower_throttle_jitter::Generator;
use tower_throttle_retry_after::{Gate, GatePermit, RetryAfterLayer, Word};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn now() -> Instant {
    tower_throttle_core::now()
}

/// A gate whose draws are always the same.
pub(crate) fn seeded(seed: u64) -> Gate {
    Gate::new().generator(Generator::seeded(seed))
}

/// A gate that opens at the very end of each pause.
pub(crate) fn exact() -> Gate {
    seeded(1).max_spread(Duration::ZERO)
}

/// The answer to a request comes in, and says wait.
pub(crate) fn hear(gate: &mut Gate, pause: Duration, now: Instant) {
    let word = Word::new(Outcome::Throttled, Some(pause));
    gate.complete(GatePermit::default(), Some(word), now);
}

/// Lets so many requests pass that wait since `now`. When each passed.
pub(crate) fn drain(gate: &mut Gate, requests: usize, now: Instant) -> Vec<Instant> {
    let mut at = now;
    let passes = (0..requests).map(|_| {
        at = match gate.check(&(), at) {
            Wait::Now => at,
            Wait::Until(next) => next,
            wait => panic!("{wait:?}"),
        };
        gate.take((), at);
        at
    });
    passes.collect()
}

/// A layer that opens at the very end of each pause.
pub(crate) fn exact_layer() -> RetryAfterLayer {
    RetryAfterLayer::new().max_spread(Duration::ZERO)
}

/// A server that gives these answers, one after the other, and then 200; and remembers when it was
/// asked.
#[derive(Clone, Default)]
pub(crate) struct Server {
    answers: Arc<Mutex<Vec<Response<()>>>>,
    asked: Arc<Mutex<Vec<Instant>>>,
    latency: Duration,
}

impl Server {
    pub(crate) fn saying(answers: impl IntoIterator<Item = Response<()>>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        Self {
            answers: Arc::new(Mutex::new(answers)),
            ..Self::default()
        }
    }

    pub(crate) fn after(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// When it was asked, in milliseconds since `start`.
    pub(crate) fn asked(&self, start: Instant) -> Vec<u128> {
        let asked = self.asked.lock().unwrap();
        let millis = asked.iter().map(|at| at.duration_since(start).as_millis());
        millis.collect()
    }

    pub(crate) fn service(&self) -> impl Inner + use<> {
        let server = self.clone();
        service_fn(move |_: Request<()>| {
            server.asked.lock().unwrap().push(now());
            let answer = server.answers.lock().unwrap().pop();
            let latency = server.latency;
            async move {
                tokio::time::sleep(latency).await;
                Ok::<_, Infallible>(answer.unwrap_or_default())
            }
        })
    }
}

pub(crate) trait Inner:
    Service<Request<()>, Response = Response<()>, Error = Infallible, Future: Send> + Clone + Send
{
}

impl<S> Inner for S where
    S: Service<Request<()>, Response = Response<()>, Error = Infallible, Future: Send>
        + Clone
        + Send
{
}

/// A response without a body.
pub(crate) fn response(status: u16, headers: &[(&'static str, &str)]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        let value = value.parse().unwrap();
        response.headers_mut().append(*name, value);
    }
    response
}

/// 429, come back in so many seconds.
pub(crate) fn wait(seconds: &str) -> Response<()> {
    response(429, &[("retry-after", seconds)])
}

/// Sends a request.
pub(crate) async fn ask<S>(service: &S) -> Result<StatusCode, S::Error>
where
    S: Service<Request<()>, Response = Response<()>> + Clone,
{
    let response = service.clone().oneshot(Request::new(())).await?;
    Ok(response.status())
}

/// Asks a server once through this layer: for how long the layer's gate is then closed.
pub(crate) async fn closed_by(
    layer: &RetryAfterLayer,
    answer: Response<()>,
) -> Result<Option<Duration>, BoxError> {
    ask(&layer.layer(Server::saying([answer]).service())).await?;
    Ok(layer.limiter().resume_at().map(|at| at - now()))
}
