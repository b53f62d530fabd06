//! Clients that come at a steady pace, whether the server answers or not.

use std::time::{Duration, Instant};

use axum::{Router, body::Body, http::Request};
use http::{StatusCode, Uri};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, sync::mpsc, time};
use tower::BoxError;

/// A client gives up after so long.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) per_second: u32,
    /// What is offered in this time doesn't count.
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Answers per second that came in time.
    pub(crate) goodput: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    shed: f64,
    given_up: f64,
}

enum Answer {
    Done(Duration),
    Shed,
    GivenUp,
}

impl Load {
    /// Serves `app` on loopback, and offers it this load.
    pub(crate) async fn offer(&self, app: Router) -> Result<Figures, BoxError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let uri: Uri = format!("http://{}/", listener.local_addr()?).parse()?;
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        let answers = self.answers(uri).await;
        server.abort();
        Ok(self.figures(answers))
    }

    /// The answers to what is offered after the warm-up.
    async fn answers(&self, uri: Uri) -> Vec<Answer> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut pace = time::interval(Duration::from_secs(1) / self.per_second);
        let (start, end) = (now(), self.warm_up + self.measured);
        while start.elapsed() < end {
            pace.tick().await;
            let counts = start.elapsed() >= self.warm_up;
            let (client, uri, tell) = (client.clone(), uri.clone(), tell.clone());
            tokio::spawn(async move {
                let answer = ask(&client, uri).await;
                if counts {
                    // Nobody listens any more if the run was ended.
                    let _ = tell.send(answer);
                }
            });
        }
        drop(tell);
        let mut answers = Vec::new();
        while let Some(answer) = told.recv().await {
            answers.push(answer);
        }
        answers
    }

    fn figures(&self, answers: Vec<Answer>) -> Figures {
        let (mut latencies, mut shed, mut given_up) = (Vec::new(), 0.0, 0.0);
        for answer in answers {
            match answer {
                Answer::Done(latency) => latencies.push(latency),
                Answer::Shed => shed += 1.0,
                Answer::GivenUp => given_up += 1.0,
            }
        }
        latencies.sort_unstable();
        let seconds = self.measured.as_secs_f64();
        let done = u32::try_from(latencies.len()).unwrap_or(u32::MAX);
        Figures {
            goodput: f64::from(done) / seconds,
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            shed: shed / seconds,
            given_up: given_up / seconds,
        }
    }
}

type Http = Client<hyper_util::client::legacy::connect::HttpConnector, Body>;

async fn ask(client: &Http, uri: Uri) -> Answer {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri;
    let sent = now();
    match time::timeout(PATIENCE, client.request(request)).await {
        Ok(Ok(response)) if response.status() == StatusCode::OK => Answer::Done(sent.elapsed()),
        Ok(Ok(_)) => Answer::Shed,
        Ok(Err(_)) | Err(_) => Answer::GivenUp,
    }
}

impl Figures {
    pub(crate) fn row(&self, name: &str) -> [String; 6] {
        let ms = |latency: Duration| format!("{:.0} ms", latency.as_secs_f64() * 1000.0);
        [
            name.to_owned(),
            format!("{:.0}/s", self.goodput),
            ms(self.p50),
            ms(self.p99),
            format!("{:.0}/s", self.shed),
            format!("{:.0}/s", self.given_up),
        ]
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or_default()
}

fn now() -> Instant {
    Instant::now() // real time: this is a real server
}
