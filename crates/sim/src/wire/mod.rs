//! What lies between the layers and the server: the way there, the service, and the way back.
//!
//! Times are those of tokio's paused clock, whose timers fire at whole milliseconds: every delay is
//! rounded up to the next one, so that requests which would arrive 0.3 ms apart may arrive together.

mod desk;
mod hint;
mod latency;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Request, Response, StatusCode};
use tokio::time::sleep;
use tower_service::Service;
use tower_throttle_core::BoxError;

pub use self::desk::Trip;
use self::desk::{Admission, Slot};
pub(crate) use self::desk::{Desk, Setup};
pub use self::{
    hint::Hint,
    latency::{Latency, Spread},
};

/// What a client sends through its layers: it is all in the head.
pub type Call = Request<()>;

/// What comes back.
pub type Answer = Response<()>;

/// One client's connection to the server: an HTTP client, as far as the layers can tell.
#[derive(Debug, Clone)]
pub struct Wire {
    desk: Arc<Desk>,
    client: usize,
}

impl Wire {
    pub(crate) const fn new(desk: Arc<Desk>, client: usize) -> Self {
        Self { desk, client }
    }

    async fn exchange(self) -> Result<Answer, BoxError> {
        let sent = self.desk.elapsed();
        let way = self.desk.way();
        sleep(way).await;
        let admission = self.desk.arrive(self.client);
        let headers = self.desk.headers(&admission);
        let status = match admission {
            Admission::Refused => {
                sleep(self.desk.way()).await;
                StatusCode::TOO_MANY_REQUESTS
            }
            Admission::Accepted(slot) => {
                self.serve(slot, way).await;
                StatusCode::OK
            }
            Admission::Queued(turn) => {
                // The line is only dropped with the server, when the run is over.
                let slot = turn.await?;
                self.serve(Some(slot), way).await;
                StatusCode::OK
            }
        };
        if status == StatusCode::OK {
            self.desk.record(self.client, sent);
        }
        Ok(answer(status, headers))
    }

    /// A server that has slots is done with a request before the client has the answer. One that counts
    /// doesn't care: its latency includes both ways.
    async fn serve(&self, slot: Option<Slot>, way: Duration) {
        let latency = self.desk.latency();
        match slot {
            Some(slot) => {
                sleep(latency).await;
                self.desk.count_done(self.client);
                drop(slot);
                sleep(self.desk.way()).await;
            }
            None => sleep(latency.saturating_sub(way)).await,
        }
    }
}

fn answer(status: StatusCode, headers: HeaderMap) -> Answer {
    let mut answer = Response::new(());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

impl Service<Call> for Wire {
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Call) -> Self::Future {
        Box::pin(self.clone().exchange())
    }
}
