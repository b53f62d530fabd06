mod timing;

use std::{error::Error, sync::Arc};

use tower::retry::Retry;
use tower_layer::Layer;

use super::{
    boxed::Boxed,
    budget::Budget,
    idempotent::Idempotent,
    policy::RetryPolicy,
    retry_on::RetryOn,
    settings::{Settings, Unsent, WhenThrottled},
};
use crate::Profile;

/// Repeats requests that failed, when the server bears it and the request allows it.
///
/// It is [`tower::retry::Retry`] with a policy. See the [module](super) for what is retried and when,
/// and for where the layer stands.
///
/// # Sharing
///
/// The [budget](Self::budget) belongs to the layer: its clones, the services that it makes, and their
/// clones share it. Everything else is settings, or belongs to one request.
///
/// # Readiness
///
/// The first attempt goes through the service that was ready. Each further one makes a clone ready, and
/// is a request like any other to what is inside.
///
/// # Cancel safety
///
/// Dropping the response future gives up the attempt in flight, or the wait. What a retry has cost the
/// budget stays spent.
///
/// # Errors
///
/// The last error of the inner service, boxed and otherwise as it was. There is no error of our own.
///
/// An error of the inner service's `poll_ready` is not retried, and told to nobody: `tower` passes it on
/// without asking the policy, also if it comes while a retry is being made ready. By the contract of a
/// `Service` it is broken then. One that can recover had better fail in `call`, as
/// `tower::reconnect` does.
///
/// # Cost
///
/// `tower` copies each request before the first attempt: its headers, its extensions, and a handle of
/// the body. A response that succeeds costs one look at the budget; signals are read from failures only.
#[derive(Debug, Clone)]
pub struct RetryLayer<C = RetryOn, I = Idempotent> {
    classify: C,
    idempotent: I,
    settings: Arc<Settings>,
}

/// Presets.
impl RetryLayer {
    /// Up to 3 retries of what [`RetryOn`] says by default.
    #[must_use]
    pub fn new() -> Self {
        Self {
            classify: RetryOn::default(),
            idempotent: Idempotent,
            settings: Arc::default(),
        }
    }

    /// Retries 429 and 503 only, and what gRPC has in their places.
    #[must_use]
    pub fn only_throttled() -> Self {
        Self::new().classify(RetryOn::throttled())
    }

    /// For use around a limiter that adapts to 429s, and the [gate](crate::RetryAfterLayer) beside it.
    ///
    /// A throttled request goes back through the limiter's line at once: the limiter has learnt from
    /// the same response, and lets it out when it is time, so that a wait here would be one too many.
    /// There are up to 8 such retries, which cost nothing, since each passes the limiter.
    ///
    /// At once goes back what every limiter is sure to have heard of, under whatever profile: what
    /// [`HttpOutcome`](tower_throttle_core::HttpOutcome) calls throttled, which is 429, 503 with
    /// `Retry-After`, and `RESOURCE_EXHAUSTED` of gRPC. But for how long, the limiter may not have been
    /// told. So a wait that was asked for is waited for here as well, to the instant and no longer: at the
    /// same time as by a gate that was told, not after. Only one below 2 s, which may be mere rounding, is
    /// left to the limiter the first time that a request is asked for one.
    ///
    /// After everything else it is waited as by default: after `UNAVAILABLE` with a pushback, a 529 that a
    /// [closure](Self::classify) takes for throttled, other failures, and a refusal by the limiter. If the
    /// limiter makes responses of its refusals ([`on_reject`](crate::RetryAfterLayer::on_reject)), let
    /// them say `Retry-After`: a bare 429 is taken for the server's, and spends the retries in no time.
    ///
    /// A gate alone will do as well: of what it hears it closes for its
    /// [`default_pause`](crate::RetryAfterLayer::default_pause) at least, 1 s. If that is set to zero,
    /// something that adapts must stand beside it. Around anything else this hammers the server, and so
    /// it does with requests that the limiter doesn't hear of: those that its filter doesn't pick, or
    /// that the [caller](tower_throttle_core::hold::Caller) has yet to settle.
    #[must_use]
    pub fn around_adaptive() -> Self {
        let budget = Budget::default().throttled(0);
        let layer = Self::new().max_retries(8).budget(budget);
        layer.set(|settings| settings.when_throttled = WhenThrottled::GoBack)
    }
}

/// What is retried.
impl<C, I> RetryLayer<C, I> {
    /// Says what a result means: a closure `Fn(Result<&Response<_>, &BoxError>) -> Outcome`, or a
    /// [`RetryOn`].
    ///
    /// [`Throttled`](tower_throttle_core::Outcome::Throttled) means that the server turned the request
    /// away, so that any may be repeated; after [`Failed`](tower_throttle_core::Outcome::Failed) only an
    /// [idempotent](Self::idempotent) one is, or one that was never sent. The others aren't retried.
    ///
    /// ```
    /// use http::Response;
    /// use tower_throttle_core::{BoxError, Outcome};
    /// use tower_throttle_retry_after::{RetryLayer, retry::RetryOn};
    ///
    /// let layer = RetryLayer::new().classify(
    ///     |result: Result<&Response<String>, &BoxError>| match result {
    ///         Ok(response) if response.status().as_u16() == 529 => Outcome::Throttled,
    ///         result => RetryOn::default().outcome(result),
    ///     },
    /// );
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn classify<D>(self, classify: D) -> RetryLayer<D, I> {
        RetryLayer {
            classify,
            idempotent: self.idempotent,
            settings: self.settings,
        }
    }

    /// Says which requests may be carried out twice: a closure `Fn(&Request<_>) -> bool`. Default:
    /// [`Idempotent`].
    ///
    /// It is asked only when a request may have been carried out: after a timeout, a 5xx, a connection
    /// that broke.
    ///
    /// ```
    /// use http::Request;
    /// use tower_throttle_core::Filter;
    /// use tower_throttle_retry_after::{RetryLayer, retry::Idempotent};
    ///
    /// let layer = RetryLayer::new().idempotent(|request: &Request<String>| {
    ///     Idempotent.picks(request) || request.uri().path() == "/search"
    /// });
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn idempotent<J>(self, idempotent: J) -> RetryLayer<C, J> {
        RetryLayer {
            classify: self.classify,
            idempotent,
            settings: self.settings,
        }
    }

    /// Recognises the errors of a client that never got as far as sending: no connection, no address, a
    /// handshake that failed. Then any request may be repeated. It is shown an error and everything
    /// that caused it, one by one.
    ///
    /// What counts [without being told](Self::default_unsent) still does: whatever else goes wrong before
    /// a request is sent, only the client knows.
    ///
    /// ```
    /// use hyper_util::client::legacy;
    /// use tower_throttle_retry_after::RetryLayer;
    ///
    /// let layer = RetryLayer::new().unsent(|error| {
    ///     error.downcast_ref().is_some_and(legacy::Error::is_connect)
    /// });
    /// # drop(layer);
    /// ```
    ///
    /// This serves `reqwest` as well, which has hyper's error among the causes of its own; but only with
    /// `redirect::Policy::none()`: see [what follows redirects](super#what-follows-redirects).
    #[must_use]
    pub fn unsent(
        self,
        recognise: impl Fn(&(dyn Error + 'static)) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.unsent = Some(Unsent::new(recognise)))
    }

    /// What counts as never sent without being told, in the place of the default: an error, or anything
    /// that caused it, that is a [`Rejected`](tower_throttle_core::Rejected), or an
    /// [`io::Error`](std::io::Error) of the kind `ConnectionRefused` or `AddrNotAvailable`.
    ///
    /// Where a service further in sends more than one request for one of ours, nothing does: the first
    /// may have been carried out before the second was refused.
    ///
    /// ```
    /// use tower_throttle_retry_after::RetryLayer;
    ///
    /// let around_a_redirect_follower = RetryLayer::new().default_unsent(|_| false);
    /// # drop(around_a_redirect_follower);
    /// ```
    #[must_use]
    pub fn default_unsent(
        self,
        recognise: impl Fn(&(dyn Error + 'static)) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.default_unsent = Unsent::new(recognise))
    }

    /// The most retries of one request; one more is the most attempts. Default: 3. With 0 nothing is
    /// retried and every result passes as it is: it isn't counted in the budget, and nothing is told of it.
    #[must_use]
    pub fn max_retries(self, retries: u32) -> Self {
        self.set(|settings| settings.max_retries = retries)
    }

    /// How much may be retried by all requests together. Default: [500 tokens](Budget), of this layer
    /// alone.
    #[must_use]
    pub fn budget(self, budget: Budget) -> Self {
        self.set(|settings| settings.budget = budget)
    }
}

/// Whose responses, and whose layer.
impl<C, I> RetryLayer<C, I> {
    /// Whose responses are read. Default: [`Profile::generic`].
    ///
    /// Under [`Profile::aws`] the wait is that of its rule: between the own backoff and 5 s more, even
    /// if the server asks for longer. It is too long for [`max_wait`](Self::max_wait) only if both are.
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        self.set(|settings| settings.profile = profile)
    }

    /// Names the layer in events. Default: no name.
    #[must_use]
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        self.set(|settings| settings.name = Some(name.into()))
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<C: Clone, I: Clone> RetryLayer<C, I> {
    /// The policy by itself, which shares the budget.
    #[must_use]
    pub fn policy(&self) -> RetryPolicy<C, I> {
        let (classify, idempotent) = (self.classify.clone(), self.idempotent.clone());
        RetryPolicy::new(classify, idempotent, Arc::clone(&self.settings))
    }
}

/// [`RetryLayer::new`].
impl Default for RetryLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, C: Clone, I: Clone> Layer<S> for RetryLayer<C, I> {
    type Service = Retry<RetryPolicy<C, I>, Boxed<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(self.policy(), Boxed::new(inner))
    }
}
