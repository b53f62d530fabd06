use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::{StatusCode, header};
use tokio::time::sleep;
use tower::ServiceExt as _;
use tower_service::Service;
use tower_throttle_core::{BoxError, Rejected};
use tower_throttle_jitter::Generator;

use super::{Caller, scramble::TimedOut};
use crate::{
    rivals::retry::Habit,
    wire::{Answer, Call},
};

/// Tries again after a refusal, as a habit has it.
#[derive(Clone)]
pub(super) struct Repeat {
    inner: Caller,
    habit: Arc<Mutex<Habitual>>,
}

/// A habit that all requests of a client share, and its randomness.
struct Habitual {
    habit: Box<dyn Habit>,
    generator: Generator,
}

impl Repeat {
    pub(super) fn new(inner: Caller, habit: impl Habit + 'static, generator: Generator) -> Self {
        let habit = Habitual {
            habit: Box::new(habit),
            generator,
        };
        Self {
            inner,
            habit: Arc::new(Mutex::new(habit)),
        }
    }

    /// How long to wait after this result of attempt `attempt`; `None` if it stands.
    fn after(&self, attempt: u32, result: &Result<Answer, BoxError>) -> Option<Duration> {
        let mut habitual = self.habit.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_refused(result) {
            habitual.habit.succeeded(attempt);
            return None;
        }
        let unit = habitual.generator.unit();
        habitual.habit.after(attempt, retry_after(result), unit)
    }

    /// `self.inner` is ready.
    async fn repeat(mut self, call: Call) -> Result<Answer, BoxError> {
        let mut attempt = 1;
        loop {
            let result = self.inner.call(call.clone()).await;
            let Some(wait) = self.after(attempt, &result) else {
                return result;
            };
            drop(result);
            sleep(wait).await;
            self.inner.ready().await?;
            attempt += 1;
        }
    }
}

impl Service<Call> for Repeat {
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let next = self.clone();
        Box::pin(mem::replace(self, next).repeat(call))
    }
}

impl fmt::Debug for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeat").finish_non_exhaustive()
    }
}

/// By the server, or by the limiter itself.
fn is_refused(result: &Result<Answer, BoxError>) -> bool {
    match result {
        Ok(answer) => answer.status() == StatusCode::TOO_MANY_REQUESTS,
        Err(error) => error.is::<Rejected>() || error.is::<TimedOut>(),
    }
}

fn retry_after(result: &Result<Answer, BoxError>) -> Option<Duration> {
    let headers = result.as_ref().ok()?.headers();
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}
