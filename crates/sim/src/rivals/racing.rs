use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::StatusCode;
use tokio::time::sleep;
use tower::ServiceExt as _;
use tower_service::Service;
use tower_throttle_core::{BoxError, Limiter as _, Outcome, now};

use super::stkai::{Step, Stkai, Turn};
use crate::wire::{Answer, Call};

/// [`Stkai`] as its SDK drives it: those who wait race for each token.
///
/// There is no line. All sleep until the same token is due, each ±20 %, and whoever wakes first has it.
/// So some wait much longer than others, and give up: behind a line, which is kinder, the limit fails
/// fewer requests than the SDK does.
#[derive(Debug, Clone)]
pub struct Racing<S> {
    inner: S,
    race: Race,
}

impl<S> Racing<S> {
    /// Around `inner`. Who would have to wait for longer than `max_wait`, as far as it can tell, fails
    /// with a [`TokenTimeout`].
    pub fn new(inner: S, limit: Stkai, max_wait: Option<Duration>) -> Self {
        let limit = Arc::new(Mutex::new(limit));
        Self {
            inner,
            race: Race { limit, max_wait },
        }
    }
}

/// What all who race have in common.
#[derive(Debug, Clone)]
struct Race {
    limit: Arc<Mutex<Stkai>>,
    max_wait: Option<Duration>,
}

impl Race {
    async fn token(&self) -> Result<(), TokenTimeout> {
        let begin = now();
        let turn = Turn::new(self.max_wait, begin);
        loop {
            let step = self.lock().attempt(&turn, now());
            match step {
                Step::Acquired => return Ok(()),
                Step::Sleep(time) => sleep(time).await,
                Step::TimedOut => {
                    let waited = now().saturating_duration_since(begin);
                    return Err(TokenTimeout::new(waited));
                }
            }
        }
    }

    /// Only a response says anything: after an error the token is gone, and that is all.
    fn complete(&self, result: &Result<Answer, BoxError>) {
        let outcome = result.as_ref().ok().map(|answer| match answer.status() {
            StatusCode::TOO_MANY_REQUESTS => Outcome::Throttled,
            _ => Outcome::Succeeded,
        });
        self.lock().complete((), outcome, now());
    }

    fn lock(&self) -> MutexGuard<'_, Stkai> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Service<Call> for Racing<S>
where
    S: Service<Call, Response = Answer, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Answer, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let Self { inner, race } = self.clone();
        Box::pin(async move {
            race.token().await?;
            let result = inner.oneshot(call).await;
            race.complete(&result);
            result
        })
    }
}

/// A request waited for a token for as long as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTimeout {
    waited: Duration,
}

impl TokenTimeout {
    pub(super) const fn new(waited: Duration) -> Self {
        Self { waited }
    }

    /// How long it had waited when it gave up.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }
}

impl fmt::Display for TokenTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.waited.as_secs_f64();
        write!(f, "no token in time, after {seconds:.2} s")
    }
}

impl std::error::Error for TokenTimeout {}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tower::service_fn;
    use tower_throttle_jitter::Generator;

    use super::*;
    use crate::rivals::stkai::Preset;

    /// How many of so many requests at once are served by a limit of `max_requests` per minute, and
    /// when the last one ended.
    async fn served(requests: usize, max_requests: u32, max_wait: Duration) -> (usize, Duration) {
        let begin = now();
        let minute = Duration::from_secs(60);
        let generator = Generator::seeded(3);
        let limit = Stkai::new(Preset::BALANCED, max_requests, minute, begin, generator);
        let server = service_fn(async |_: Call| Ok::<_, BoxError>(Answer::default()));
        let racing = Racing::new(server, limit.unwrap(), Some(max_wait));
        let calls = (0..requests).map(|_| racing.clone().oneshot(Call::default()));
        let results = join_all(calls).await;
        let errors = results.iter().filter_map(|result| result.as_ref().err());
        assert!(errors.clone().all(|error| error.is::<TokenTimeout>()));
        let served = requests - errors.count();
        (served, now().saturating_duration_since(begin))
    }

    #[tokio::test(start_paused = true)]
    async fn all_are_served_if_they_may_wait() {
        let (served, took) = served(20, 10, Duration::from_secs(600)).await;
        assert_eq!(served, 20);
        // Ten tokens are there, ten more take a minute; the last to wake may oversleep one.
        assert!(took >= Duration::from_secs(60) && took < Duration::from_secs(70));
    }

    #[tokio::test(start_paused = true)]
    async fn who_lost_the_race_too_often_gives_up() {
        let (served, took) = served(20, 10, Duration::from_secs(20)).await;
        assert!((11..=13).contains(&served), "{served}");
        // The sleep of up to 20 % more than the rest of the wait is the SDK's.
        assert!(took < Duration::from_secs(24));
    }

    #[test]
    fn a_timeout_says_how_long_it_took() {
        let timeout = TokenTimeout::new(Duration::from_millis(45_500));
        assert_eq!(timeout.to_string(), "no token in time, after 45.50 s");
        assert_eq!(timeout.waited(), Duration::from_millis(45_500));
    }
}
