use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::Response;
use tower_throttle_core::BoxError;
use tower_throttle_jitter::{Backoff, Generator, Jitter};

use super::{
    budget::Budget,
    kind::{Kind, chain, is_unsent},
    told::Told,
};
use crate::{Profile, Signals};

/// What all requests of a layer have in common.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) max_retries: u32,
    pub(super) max_wait: Duration,
    pub(super) deadline: Option<Duration>,
    pub(super) backoff: Backoff,
    pub(super) throttled_backoff: Backoff,
    pub(super) spread: Jitter,
    pub(super) generator: Arc<Mutex<Generator>>,
    pub(super) budget: Budget,
    pub(super) profile: Profile,
    pub(super) when_throttled: WhenThrottled,
    pub(super) default_unsent: Unsent,
    pub(super) unsent: Option<Unsent>,
    pub(super) name: Option<Arc<str>>,
}

/// Who waits after a throttled attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenThrottled {
    /// The retry does.
    Wait,
    /// A limiter further in does, if it is sure to have heard of it.
    GoBack,
}

/// Recognises errors from before anything was sent.
#[derive(Clone)]
pub(super) struct Unsent(Arc<Recognise>);

type Recognise = dyn Fn(&(dyn Error + 'static)) -> bool + Send + Sync;

impl Settings {
    /// What a failure says about another attempt, when we'd wait for `own` by ourselves.
    pub(super) fn told<R>(&self, result: &Result<Response<R>, BoxError>, own: Duration) -> Told {
        match result {
            Ok(response) => Told::by_response(response, &self.profile.clone().backoff(own)),
            Err(error) => Told::by_error(error, self.was_unsent(error)),
        }
    }

    /// Whether this error tells that the request never left.
    fn was_unsent(&self, error: &BoxError) -> bool {
        let recognisers = || [Some(&self.default_unsent), self.unsent.as_ref()];
        chain(error).any(|error| {
            let mut recognisers = recognisers().into_iter().flatten();
            recognisers.any(|unsent| unsent.recognises(error))
        })
    }

    /// Whether a limiter further in waits in our place.
    pub(super) fn goes_back(&self, kind: Kind, told: &Told) -> bool {
        self.when_throttled == WhenThrottled::GoBack && kind == Kind::Throttled && told.heard
    }

    /// Lengthens a wait that was asked for.
    pub(super) fn spread(&self, wait: Duration) -> Duration {
        // A generator can't be left half drawn by a panic elsewhere.
        let generator = self.generator.lock();
        let mut generator = generator.unwrap_or_else(PoisonError::into_inner);
        self.spread.delay(wait, &mut generator)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_retries: 3,
            max_wait: Signals::CAP,
            deadline: None,
            backoff: Backoff::default(),
            // AWS retry specification 2.1: a throttled request starts from a second.
            throttled_backoff: Backoff::new(Duration::from_secs(1)),
            spread: Jitter::upward(0.25),
            generator: Arc::new(Mutex::new(Generator::new())),
            budget: Budget::default(),
            profile: Profile::generic(),
            when_throttled: WhenThrottled::Wait,
            default_unsent: Unsent::new(is_unsent),
            unsent: None,
            name: None,
        }
    }
}

impl Unsent {
    pub(super) fn new(
        recognise: impl Fn(&(dyn Error + 'static)) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(recognise))
    }

    pub(super) fn recognises(&self, error: &(dyn Error + 'static)) -> bool {
        (self.0)(error)
    }
}

impl fmt::Debug for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unsent(..)")
    }
}
