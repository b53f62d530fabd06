//! A server that answers by a script, and remembers when it was asked.

use std::{
    collections::VecDeque,
    fmt,
    future::{Ready, ready},
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::Instant;
use tower::Service;
use tower_throttle_core::BoxError;

use crate::now;

/// What the server does with a request.
#[derive(Clone)]
pub(crate) struct Reply(Arc<dyn Fn() -> Result<Response<()>, BoxError> + Send + Sync>);

impl Reply {
    /// An answer with these headers.
    pub(crate) fn of(status: u16, headers: &[(&'static str, &str)]) -> Self {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(()).unwrap();
        Self(Arc::new(move || Ok(response.clone())))
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::of(status, &[])
    }

    pub(crate) fn error<E: std::error::Error + Send + Sync + 'static>(
        make: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move || Err(make().into())))
    }

    pub(crate) fn broken() -> Self {
        Self::error(|| Broken)
    }
}

/// A connection that breaks in the middle of things.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection broke")
    }
}

impl std::error::Error for Broken {}

#[derive(Clone)]
pub(crate) struct Server(Arc<Mutex<Script>>);

struct Script {
    replies: VecDeque<Reply>,
    asked: Vec<Instant>,
}

impl Server {
    /// One that answers so, in turn, and then repeats the last answer.
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let script = Script {
            replies: replies.into_iter().collect(),
            asked: Vec::new(),
        };
        Self(Arc::new(Mutex::new(script)))
    }

    /// One that always answers with this status.
    pub(crate) fn always(status: u16) -> Self {
        Self::new([Reply::status(status)])
    }

    pub(crate) fn attempts(&self) -> usize {
        self.script().asked.len()
    }

    /// How long it was from each attempt to the next.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        let asked = &self.script().asked;
        asked.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }
}

impl<B> Service<Request<B>> for Server {
    type Response = Response<()>;
    type Error = BoxError;
    type Future = Ready<Result<Response<()>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut script = self.script();
        script.asked.push(now());
        let reply = match script.replies.len() {
            1 => script.replies[0].clone(),
            _ => script.replies.pop_front().expect("a script has replies"),
        };
        ready((reply.0)())
    }
}
