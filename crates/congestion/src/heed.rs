use std::{fmt, time::UNIX_EPOCH};

use http::{Response, header::HeaderName};
use tower_throttle_core::{Classify, Outcome, Shared, Verdict};
use tower_throttle_retry_after::{Profile, Signals};

use crate::{Congestion, Estimator, Gradient, SharedCongestion};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Takes the concurrency that a server declares as a ceiling, and leaves the judgement of responses to
/// another classifier.
///
/// A server declares it as a policy whose unit is `concurrent-requests`, as in `RateLimit-Policy:
/// "slots";q=10;qu="concurrent-requests"` (draft-ietf-httpapi-ratelimit-headers). A response that says
/// nothing about it changes nothing: if the server doesn't say so any more, somebody has to say
/// [`set_ceiling(None)`](Congestion::set_ceiling). A 429 with a limit of 0 of which 0 remain, which is how Okta says
/// that too many are in flight, is [`Throttled`](Outcome::Throttled) anyway, and declares no number.
///
/// Beside a gate and a rate, it is [`Heeding`](crate::Heeding) that does this.
///
/// ```
/// use tower_throttle_congestion::{CongestionLayer, Heed};
/// use tower_throttle_core::HttpOutcome;
///
/// let layer = CongestionLayer::new().max_limit(100);
/// let heed = Heed::new(HttpOutcome, layer.limiter());
/// let layer = layer.classify(heed);
/// # drop(tower_layer::Layer::<()>::layer(&layer, ()));
/// ```
///
/// # Sharing
///
/// It speaks to the limiter that it was made with: make it when the limiter has its bounds.
pub struct Heed<C, E: Estimator = Gradient> {
    classify: C,
    limiter: Shared<Congestion<E>>,
}

impl<C, E: Estimator> Heed<C, E> {
    /// Tells `limiter` what is declared, and judges by `classify`.
    pub fn new(classify: C, limiter: &SharedCongestion<E>) -> Self {
        Self {
            classify,
            limiter: limiter.shared().clone(),
        }
    }

    fn hear<B>(&self, response: &Response<B>) {
        if !response.headers().contains_key(POLICY) {
            return;
        }
        // No date is read.
        let profile = Profile::generic();
        let signals = Signals::read(response.headers(), response.status(), &profile, UNIX_EPOCH);
        if let Some(ceiling) = signals.concurrency() {
            let ceiling = u32::try_from(ceiling).unwrap_or(u32::MAX);
            self.limiter
                .update(|limiter, _now| limiter.set_ceiling(Some(ceiling)));
        }
    }
}

impl<B, Err, C, E> Classify<Response<B>, Err> for Heed<C, E>
where
    C: Classify<Response<B>, Err, Feedback = Outcome>,
    E: Estimator,
{
    type Feedback = Outcome;

    fn classify(&self, result: Result<&Response<B>, &Err>) -> Verdict<Outcome> {
        if let Ok(response) = result {
            self.hear(response);
        }
        self.classify.classify(result)
    }
}

impl<C: Clone, E: Estimator> Clone for Heed<C, E> {
    fn clone(&self) -> Self {
        Self {
            classify: self.classify.clone(),
            limiter: self.limiter.clone(),
        }
    }
}

impl<C: fmt::Debug, E: Estimator> fmt::Debug for Heed<C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heed")
            .field("classify", &self.classify)
            .finish_non_exhaustive()
    }
}
