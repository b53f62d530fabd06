use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{BoxError, Service, ServiceExt, service_fn, util::BoxCloneService};

use crate::tally::{Answer, Tally};

/// How long a worker pauses after an answer, so that a naive client cannot melt the loopback.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// What a caller holds: an HTTP client, whatever layers are around it.
pub(crate) type Caller = BoxCloneService<Request<Full<Bytes>>, Response<Full<Bytes>>, BoxError>;

/// A bare HTTP client with a connection pool of its own, which counts what it sends.
pub(crate) fn bare(tally: Tally) -> Caller {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let http = Client::builder(TokioExecutor::new()).build(connector);
    BoxCloneService::new(service_fn(move |request| {
        send(http.clone(), tally.clone(), request)
    }))
}

async fn send(
    http: Client<HttpConnector, Full<Bytes>>,
    tally: Tally,
    request: Request<Full<Bytes>>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let in_flight = tally.send().ok_or(WireError::Over)?;
    let (head, body) = http.request(request).await.map_err(lost)?.into_parts();
    let body = body.collect().await.map_err(lost)?.to_bytes();
    in_flight.answered(match head.status {
        StatusCode::OK => Answer::Accepted,
        StatusCode::TOO_MANY_REQUESTS => Answer::Rejected,
        _ => Answer::None,
    });
    Ok(Response::from_parts(head, Full::new(body)))
}

/// Why the wire gave no answer. The tally knows about it already.
#[derive(Debug)]
pub(crate) enum WireError {
    /// The run is over; nothing was sent.
    Over,
    /// The request was sent, or would have been if there were a connection.
    Lost(BoxError),
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Over => "the run is over",
            Self::Lost(_) => "the request got no answer",
        })
    }
}

impl std::error::Error for WireError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Over => None,
            Self::Lost(error) => Some(&**error),
        }
    }
}

fn lost(error: impl Into<BoxError>) -> WireError {
    WireError::Lost(error.into())
}

/// What the callers of one run saw. Clones write into the same log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Seen>>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// How long each accepted request took, waiting in line included.
    pub(crate) latencies: Vec<Duration>,
    /// Requests that a layer refused, so that they were never sent.
    pub(crate) refused: u32,
    pub(crate) first_error: Option<String>,
}

impl Log {
    pub(crate) fn take(&self) -> Seen {
        self.write(std::mem::take)
    }

    fn accepted(&self, latency: Duration) {
        self.write(|seen| seen.latencies.push(latency));
    }

    fn failed(&self, error: &BoxError) {
        let refused = !error.is::<WireError>();
        self.write(|seen| {
            seen.refused += u32::from(refused);
            seen.first_error
                .get_or_insert_with(|| with_causes(&**error));
        });
    }

    fn write<R>(&self, change: impl FnOnce(&mut Seen) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Asks, waits for the answer, pauses, and asks again, until the run is over.
pub(crate) async fn work(mut caller: Caller, server: SocketAddr, log: Log) {
    loop {
        let asked = Instant::now();
        match ask(&mut caller, server).await {
            Ok(StatusCode::OK) => log.accepted(asked.elapsed()),
            Ok(_) => {}
            Err(error) if is_over(&error) => return,
            Err(error) => log.failed(&error),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(caller: &mut Caller, server: SocketAddr) -> Result<StatusCode, BoxError> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = Uri::try_from(format!("http://{server}/"))?;
    let response = caller.ready().await?.call(request).await?;
    Ok(response.status())
}

fn is_over(error: &BoxError) -> bool {
    matches!(error.downcast_ref(), Some(WireError::Over))
}

#[cfg(test)]
mod tests {
    use hyper::header::RETRY_AFTER;

    use super::*;
    use crate::server::{Served, Server};

    #[tokio::test]
    async fn client_and_server_count_the_same_over_a_real_socket() {
        let server = Server::start(3, Duration::from_secs(3600)).await.unwrap();
        let tally = Tally::default();
        let mut caller = bare(tally.clone());
        for _ in 0..5 {
            ask(&mut caller, server.addr()).await.unwrap();
        }
        let counts = tally.counts();
        assert_eq!(
            (counts.sent, counts.accepted, counts.rejected, counts.failed),
            (5, 3, 2, 0)
        );
        assert_eq!(
            server.served(),
            Served {
                accepted: 3,
                rejected: 2
            }
        );
    }

    #[tokio::test]
    async fn a_rejection_says_when_to_come_back() {
        let server = Server::start(0, Duration::from_secs(3600)).await.unwrap();
        let request = Request::get(format!("http://{}/", server.addr()));
        let request = request.body(Full::default()).unwrap();
        let response = bare(Tally::default()).oneshot(request).await.unwrap();
        let seconds: u64 = response.headers()[RETRY_AFTER]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!((1..=3600).contains(&seconds), "{seconds}");
    }

    #[tokio::test]
    async fn a_server_that_is_gone_is_a_failure_with_its_cause() {
        let gone = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let (tally, log) = (Tally::default(), Log::default());
        let error = ask(&mut bare(tally.clone()), gone).await.unwrap_err();
        log.failed(&error);
        let seen = log.take();
        assert_eq!(
            (tally.counts().sent, tally.counts().failed, seen.refused),
            (1, 1, 0)
        );
        assert!(seen.first_error.unwrap().contains("refused"));
    }

    #[test]
    fn what_a_layer_refuses_is_counted_though_it_was_never_sent() {
        let log = Log::default();
        log.failed(&"the line is full".into());
        assert_eq!(log.take().refused, 1);
    }

    #[tokio::test]
    async fn a_worker_ends_with_the_run() {
        let tally = Tally::default();
        tally.close(Duration::ZERO).await;
        let log = Log::default();
        work(bare(tally.clone()), ([127, 0, 0, 1], 1).into(), log.clone()).await;
        assert_eq!((tally.counts().sent, log.take().first_error), (0, None));
    }
}
