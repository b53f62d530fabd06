use std::{
    error, fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::sleep;
use tower_service::Service;
use tower_throttle_core::{BoxError, Classify, HttpOutcome, Limiter as _, Verdict, now};

use super::Caller;
use crate::{
    rivals::{
        Stkai,
        stkai::{Step, Turn},
    },
    wire::{Answer, Call},
};

/// Waits as the stkai SDK does: without a line, each by itself for the same token.
#[derive(Debug, Clone)]
pub(super) struct Scramble {
    inner: Caller,
    stkai: Arc<Mutex<Stkai>>,
    max_wait: Option<Duration>,
}

impl Scramble {
    pub(super) fn new(inner: Caller, stkai: Stkai, max_wait: Option<Duration>) -> Self {
        Self {
            inner,
            stkai: Arc::new(Mutex::new(stkai)),
            max_wait,
        }
    }

    /// `self.inner` is ready.
    async fn wait_and_send(mut self, call: Call) -> Result<Answer, BoxError> {
        let turn = Turn::new(self.max_wait, now());
        loop {
            let step = self.stkai().attempt(&turn, now());
            match step {
                Step::Acquired => break,
                Step::Sleep(time) => sleep(time).await,
                Step::TimedOut => return Err(TimedOut.into()),
            }
        }
        let result = self.inner.call(call).await;
        if let Verdict::Known(outcome) = HttpOutcome.classify(result.as_ref()) {
            self.stkai().complete((), Some(outcome), now());
        }
        result
    }

    fn stkai(&self) -> MutexGuard<'_, Stkai> {
        self.stkai.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service<Call> for Scramble {
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let next = self.clone();
        Box::pin(mem::replace(self, next).wait_and_send(call))
    }
}

/// A request waited for a token for as long as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no token came in time")
    }
}

impl error::Error for TimedOut {}
