use std::{fmt, sync::Arc, time::Duration};

use http::{Request, Response};
use tower::retry::Policy;
use tower_throttle_core::{BoxError, Classify, Filter, Outcome, Verdict};

use super::{
    attempts::{Failure, GivenUp, Retried},
    idempotent::Idempotent,
    kind::Kind,
    pause::Pause,
    retry_on::{ReadAs, RetryOn},
    session::Session,
    settings::Settings,
};
use crate::Replay;

/// Decides about retries: a [`tower::retry::Policy`].
///
/// A [`RetryLayer`](super::RetryLayer) makes it, and most callers need not know. By itself,
/// [`tower::retry::Retry`] takes it around a service whose errors are [boxed](BoxError).
///
/// # Sharing
///
/// `tower` clones it for each request. What belongs to a request isn't cloned: its retries, the random
/// stream of its delays and the start of its deadline begin anew with each clone. The budget is shared.
pub struct RetryPolicy<C = RetryOn, I = Idempotent> {
    pub(super) classify: C,
    pub(super) idempotent: I,
    pub(super) settings: Arc<Settings>,
    session: Session,
}

impl<C, I> RetryPolicy<C, I> {
    pub(super) fn new(classify: C, idempotent: I, settings: Arc<Settings>) -> Self {
        let session = Session::start(&settings);
        Self {
            classify,
            idempotent,
            settings,
            session,
        }
    }

    /// What a result means.
    fn judge<R>(&self, result: &mut Result<Response<R>, BoxError>) -> Outcome
    where
        C: Classify<Response<R>, BoxError, Feedback = Outcome>,
    {
        if let Ok(response) = result {
            ReadAs::mark(response, &self.settings.profile);
        }
        let verdict = self.classify.classify(result.as_ref());
        if let Ok(response) = result {
            response.extensions_mut().remove::<ReadAs>();
        }
        match verdict {
            Verdict::Known(outcome) => outcome,
            // Nobody waits for trailers here: a verdict that they would bring is none.
            Verdict::Later(_) => Outcome::Ignored,
        }
    }

    /// How long to wait before the next attempt, or why there is none.
    fn decide<B: Replay, R>(
        &mut self,
        request: &mut Request<B>,
        result: &Result<Response<R>, BoxError>,
        outcome: Outcome,
    ) -> Result<Duration, GivenUp>
    where
        I: Filter<Request<B>>,
    {
        let settings = Arc::clone(&self.settings);
        if self.session.retries() >= settings.max_retries as usize {
            return Err(GivenUp::Exhausted);
        }
        let kind = Kind::of(outcome, result);
        let own = self.session.own_delay(&settings, kind);
        let told = settings.told(result, own);
        let turned_away = outcome == Outcome::Throttled || told.unsent;
        if told.stop {
            return Err(GivenUp::Stopped);
        }
        if !turned_away && !self.idempotent.picks(request) {
            return Err(GivenUp::NotIdempotent);
        }
        if told.over_cap(settings.max_wait) {
            return Err(GivenUp::TooLong);
        }
        let wait = match settings.goes_back(kind, &told) {
            true => self.session.wait_beside_a_limiter(&told),
            false => told.wait(own, |asked| settings.spread(asked)),
        };
        self.session
            .pay(&settings, kind, wait.max(told.least()), request.body_mut())?;
        if told.anew {
            self.session.begin_anew();
        }
        Ok(wait)
    }

    fn retry_in<R>(&mut self, wait: Duration, result: &Result<Response<R>, BoxError>) -> Pause {
        let failure = Failure::of(result);
        tracing::debug!(
            name = self.settings.name.as_deref(),
            attempt = self.session.retries() + 1,
            backoff = ?wait,
            cause = %failure,
            "retry"
        );
        self.session.retried(Retried { failure, wait });
        Pause::new(wait)
    }

    fn give_up<R>(&mut self, why: GivenUp, result: &mut Result<Response<R>, BoxError>) {
        tracing::debug!(
            name = self.settings.name.as_deref(),
            attempt = self.session.retries() + 1,
            why = %why,
            cause = %Failure::of(result),
            "retry_given_up"
        );
        self.end(Some(why), result);
    }

    fn end<R>(&mut self, given_up: Option<GivenUp>, result: &mut Result<Response<R>, BoxError>) {
        if let (Ok(response), Some(attempts)) = (result, self.session.end(given_up)) {
            response.extensions_mut().insert(attempts);
        }
    }
}

impl<B, R, C, I> Policy<Request<B>, Response<R>, BoxError> for RetryPolicy<C, I>
where
    B: Replay,
    C: Classify<Response<R>, BoxError, Feedback = Outcome>,
    I: Filter<Request<B>>,
{
    type Future = Pause;

    fn retry(
        &mut self,
        request: &mut Request<B>,
        result: &mut Result<Response<R>, BoxError>,
    ) -> Option<Pause> {
        match self.judge(result) {
            Outcome::Succeeded => {
                self.settings.budget.succeed(self.session.cost);
                self.end(None, result);
                None
            }
            Outcome::Ignored => {
                self.end(None, result);
                None
            }
            outcome @ (Outcome::Throttled | Outcome::Failed) => {
                match self.decide(request, result, outcome) {
                    Ok(wait) => Some(self.retry_in(wait, result)),
                    Err(why) => {
                        self.give_up(why, result);
                        None
                    }
                }
            }
        }
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        (self.settings.max_retries > 0).then(|| replay(request))
    }
}

/// As `Request::clone`, for bodies that aren't `Clone`.
fn replay<B: Replay>(request: &Request<B>) -> Request<B> {
    let mut again = Request::new(request.body().replay());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.version_mut() = request.version();
    *again.headers_mut() = request.headers().clone();
    *again.extensions_mut() = request.extensions().clone();
    again
}

impl<C: Clone, I: Clone> Clone for RetryPolicy<C, I> {
    fn clone(&self) -> Self {
        let (classify, idempotent) = (self.classify.clone(), self.idempotent.clone());
        Self::new(classify, idempotent, Arc::clone(&self.settings))
    }
}

impl<C, I> fmt::Debug for RetryPolicy<C, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("settings", &self.settings)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
