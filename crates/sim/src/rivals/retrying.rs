use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{StatusCode, header::RETRY_AFTER};
use tokio::time::sleep;
use tower::ServiceExt as _;
use tower_service::Service;
use tower_throttle_core::{BoxError, Rejected};
use tower_throttle_jitter::Generator;

use super::{racing::TokenTimeout, retry::Habit};
use crate::wire::{Answer, Call};

/// Sends a request again, as a [`Habit`] says, when the server or a layer refused it.
///
/// Clones share the habit: it is that of a process.
#[derive(Debug)]
pub struct Retrying<S, H> {
    inner: S,
    shared: Arc<Mutex<(H, Generator)>>,
}

impl<S: Clone, H> Clone for Retrying<S, H> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S, H: Habit> Retrying<S, H> {
    /// Around `inner`.
    pub fn new(inner: S, habit: H, generator: Generator) -> Self {
        Self {
            inner,
            shared: Arc::new(Mutex::new((habit, generator))),
        }
    }

    /// How long to wait before the next attempt, if there is one.
    fn pause(&self, attempt: u32, result: &Result<Answer, BoxError>) -> Option<Duration> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let (habit, generator) = &mut *shared;
        match verdict(result) {
            Verdict::Refused(retry_after) => habit.after(attempt, retry_after, generator.unit()),
            Verdict::Served => {
                habit.succeeded(attempt);
                None
            }
            Verdict::Broken => None,
        }
    }
}

enum Verdict {
    Served,
    Refused(Option<Duration>),
    Broken,
}

fn verdict(result: &Result<Answer, BoxError>) -> Verdict {
    match result {
        Ok(answer) if answer.status() == StatusCode::TOO_MANY_REQUESTS => {
            Verdict::Refused(retry_after(answer))
        }
        Ok(_) => Verdict::Served,
        Err(error) if error.is::<Rejected>() || error.is::<TokenTimeout>() => {
            Verdict::Refused(None)
        }
        Err(_) => Verdict::Broken,
    }
}

/// Whole seconds, which is all that most of them can read.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

impl<S, H> Service<Call> for Retrying<S, H>
where
    S: Service<Call, Response = Answer, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    H: Habit + 'static,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Answer, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        Box::pin(repeat(self.clone(), call))
    }
}

async fn repeat<S, H>(retrying: Retrying<S, H>, call: Call) -> Result<Answer, BoxError>
where
    S: Service<Call, Response = Answer, Error = BoxError> + Clone,
    H: Habit,
{
    let mut attempt = 1;
    loop {
        let result = retrying.inner.clone().oneshot(call.clone()).await;
        let Some(pause) = retrying.pause(attempt, &result) else {
            return result;
        };
        sleep(pause).await;
        attempt = attempt.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use tower::service_fn;
    use tower_throttle_core::now;

    use super::*;
    use crate::rivals::retry::{AwsRetry, Doubling, StkaiRetry};

    fn refusal(retry_after: Option<&'static str>) -> Answer {
        let mut answer = Answer::default();
        *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        if let Some(seconds) = retry_after {
            let seconds = http::HeaderValue::from_static(seconds);
            answer.headers_mut().insert(RETRY_AFTER, seconds);
        }
        answer
    }

    /// When the attempts of one request were made, all of them refused.
    async fn attempts(habit: impl Habit + 'static, after: Option<&'static str>) -> Vec<u64> {
        let begin = now();
        let dates = Arc::new(Mutex::new(Vec::new()));
        let server = {
            let dates = Arc::clone(&dates);
            service_fn(move |_: Call| {
                let since = now().saturating_duration_since(begin);
                dates.lock().unwrap().push(since.as_secs());
                async move { Ok::<_, BoxError>(refusal(after)) }
            })
        };
        let retrying = Retrying::new(server, habit, Generator::seeded(1));
        let answer = retrying.oneshot(Call::default()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        std::mem::take(&mut dates.lock().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_sent_again_as_often_as_the_habit_says() {
        assert_eq!(attempts(Doubling::default(), None).await.len(), 6);
        assert_eq!(attempts(StkaiRetry, None).await.len(), 4);
        assert_eq!(attempts(AwsRetry::default(), None).await.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_after_is_read() {
        let dates = attempts(Doubling::default(), Some("100")).await;
        assert_eq!(dates, [0, 100, 200, 300, 400, 500]);
    }

    #[test]
    fn an_error_of_another_kind_is_not_repeated() {
        let timeout = TokenTimeout::new(Duration::ZERO);
        assert!(matches!(
            verdict(&Err(timeout.into())),
            Verdict::Refused(None)
        ));
        assert!(matches!(verdict(&Err("broken".into())), Verdict::Broken));
    }
}
