use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use http::{HeaderMap, Response, StatusCode};
use tower_throttle_core::{Classify, HttpOutcome, Outcome, Verdict};

use super::word::{Concurrency, Word};
use crate::{Cause, Limit, Profile, Signals};

/// Makes of each response what a [`Gate`](crate::Gate) learns from it.
///
/// | response | closes the gate for |
/// |---|---|
/// | 429, 503 with `Retry-After`, gRPC `RESOURCE_EXHAUSTED` | [`Signals::wait`]; if it says none, or zero, the [`default_pause`](Self::default_pause) |
/// | 503 or gRPC `UNAVAILABLE` that says for how long in another way | [`Signals::wait`] |
/// | what the [`profile`](Self::profile) knows: GitHub's 403 | [`Signals::wait`] |
/// | a limit with nothing remaining, whatever the status | its reset, if told to [`act_on_exhausted`](Self::act_on_exhausted) |
/// | anything else | nothing |
///
/// The longest counts, and [`Signals::guard`] is added. The first line is what [`HttpOutcome`] calls
/// throttled: it closes the gate under every profile, whether or not the profile finds a wait.
///
/// Signals that a layer further in has put into the extensions of the response count instead of its
/// head: that layer may have read the body.
///
/// # gRPC streams
///
/// A gRPC response whose head carries no status is judged by its trailers, if the call is
/// [held](tower_throttle_core::hold::Body) until then: `RESOURCE_EXHAUSTED` and `UNAVAILABLE` close the
/// gate for [`Signals::retry_after`], and for no default pause. But if the head says for how long to
/// wait, as it may for one who [acts on what is exhausted](Self::act_on_exhausted), this is what the
/// gate learns at the end of the call, as of a success, and the trailers go unheard. If it only declares how
/// many calls may be in flight, that goes unheard instead.
///
/// `T` is what the limiter learns: a [`Word`], or what can be made of one, such as a pair of it and
/// the [`Outcome`].
///
/// ```
/// use tower_throttle_core::{LimitLayer, Shared, track::Tracked};
/// use tower_throttle_retry_after::{Gate, Listen, Profile};
///
/// let gate = Shared::new(Gate::new());
/// let layer = LimitLayer::new(gate).track(Tracked::new(Listen::new().profile(Profile::github())));
/// # drop(tower_layer::Layer::<()>::layer(&layer, ()));
/// ```
pub struct Listen<T = Word> {
    ear: Arc<Ear>,
    learns: PhantomData<fn() -> T>,
}

#[derive(Debug, Clone)]
struct Ear {
    profile: Profile,
    default_pause: Duration,
    acts_on_exhausted: bool,
    name: Option<Arc<str>>,
}

impl Listen {
    /// Reads what every server may say.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Arc::new(Ear {
            profile: Profile::generic(),
            default_pause: Duration::from_secs(1),
            acts_on_exhausted: false,
            name: None,
        }))
    }
}

impl<T> Listen<T> {
    /// Whose responses are read. Default: [`Profile::generic`].
    ///
    /// [`Profile::github`] takes a 403 for a secondary limit, for a minute if it has no hint: its head
    /// does not tell it from a missing permission.
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        self.with(|ear| ear.profile = profile)
    }

    /// For how long a response closes the gate that says *too much* (see the [table](Self)), but no
    /// time, or a time of zero or in the past (then for the [guard](Signals::guard) at least). Default: 1 s (the base delay after throttling in version
    /// 2.1 of the AWS retry specification). Zero: not at all; then something beside the gate must hold
    /// requests back that are repeated at once.
    #[must_use]
    pub fn default_pause(self, pause: Duration) -> Self {
        self.with(|ear| ear.default_pause = pause)
    }

    /// Closes the gate as soon as a limit has nothing remaining, until its reset, without waiting for
    /// a 429. Default: only what refuses a request closes the gate.
    ///
    /// For a server that punishes requests beyond the limit, and where nobody else uses the same one.
    #[must_use]
    pub fn act_on_exhausted(self) -> Self {
        self.with(|ear| ear.acts_on_exhausted = true)
    }

    /// A name for the event `rate_limit_hit`. A hit that is heard in [trailers](Self#grpc-streams) has
    /// none: they are judged by a function that knows nothing of the layer.
    #[must_use]
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        self.with(|ear| ear.name = Some(name.into()))
    }

    /// The same for another limiter.
    #[must_use]
    pub(super) fn learning<U>(self) -> Listen<U> {
        Listen::of(self.ear)
    }

    fn of(ear: Arc<Ear>) -> Self {
        Self {
            ear,
            learns: PhantomData,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Ear)) -> Self {
        change(Arc::make_mut(&mut self.ear));
        self
    }
}

impl<T, B, Err> Classify<Response<B>, Err> for Listen<T>
where
    T: From<Word>,
{
    type Feedback = T;

    fn classify(&self, result: Result<&Response<B>, &Err>) -> Verdict<T> {
        let verdict = HttpOutcome.classify(result);
        let word = |outcome| match result {
            Ok(response) => self.ear.hear(outcome, response),
            Err(_) => Word::silent(outcome),
        };
        match verdict {
            Verdict::Known(outcome) => Verdict::Known(word(outcome).into()),
            Verdict::Later(_) => match word(Outcome::Succeeded) {
                Word { pause: None, .. } => Verdict::Later(|trailers| {
                    let let_in = Some(Word::silent(Outcome::Succeeded));
                    Some(trailers.map_or(let_in, hear)?.into())
                }),
                word => Verdict::Known(word.into()),
            },
        }
    }
}

impl Ear {
    fn hear<B>(&self, outcome: Outcome, response: &Response<B>) -> Word {
        let status = response.status();
        let may_refuse = outcome == Outcome::Throttled
            || status == StatusCode::SERVICE_UNAVAILABLE
            || is_unavailable(response.headers())
            || self.profile.throttles(status);
        if !may_refuse && !self.acts_on_exhausted && !declares(response.headers()) {
            return Word::silent(outcome);
        }
        let signals = Signals::of(response, &self.profile);
        Word {
            concurrency: concurrency(outcome, &signals),
            ..self.judge(outcome, status, &signals, may_refuse)
        }
    }

    fn judge(
        &self,
        outcome: Outcome,
        status: StatusCode,
        signals: &Signals,
        may_refuse: bool,
    ) -> Word {
        let asked = self.asked(outcome, status, signals);
        let asked = asked.filter(|_| may_refuse);
        let exhausted = signals.binding().filter(|limit| limit.exhausted());
        let reset = exhausted.and_then(Limit::until_reset);
        let reset = reset.filter(|_| self.acts_on_exhausted);
        let pause = asked.max(reset);
        if outcome != Outcome::Throttled && asked.is_none() {
            return Word::new(outcome, pause);
        }
        hit(self.name.as_deref(), Some(status), signals, pause);
        Word::refused(pause)
    }

    /// For how long a response closes the gate that refuses a request, if it does.
    fn asked(&self, outcome: Outcome, status: StatusCode, signals: &Signals) -> Option<Duration> {
        let not_zero = |pause: &Duration| !pause.is_zero();
        let (wait, guard) = (signals.wait(), signals.guard());
        let guarded = |wait: Duration| wait.saturating_add(guard);
        if outcome == Outcome::Throttled {
            let default = Some(self.default_pause).filter(not_zero);
            let default = default.map(|pause| pause.max(guard));
            let told = wait.filter(not_zero).map(guarded);
            return told.or(default).or(wait);
        }
        wait.map(guarded)
            .filter(|_| signals.retry_after().is_some() || self.profile.throttles(status))
    }
}

/// What the trailers of a gRPC call say: the same under every profile.
fn hear(trailers: &HeaderMap) -> Option<Word> {
    let outcome = HttpOutcome::by_trailers(trailers)?;
    if outcome != Outcome::Throttled && !is_unavailable(trailers) {
        return Some(Word::silent(outcome));
    }
    let profile = Profile::generic();
    // Nothing in trailers is measured from a date.
    let signals = Signals::read(&HeaderMap::new(), StatusCode::OK, &profile, UNIX_EPOCH);
    let signals = signals.with_trailers(trailers, &profile);
    let pause = signals.retry_after();
    if outcome != Outcome::Throttled && pause.is_none() {
        return Some(Word::silent(outcome));
    }
    hit(None, None, &signals, pause);
    Some(Word::refused(pause))
}

/// Whether it may say how many requests are allowed in flight.
fn declares(headers: &HeaderMap) -> bool {
    headers.contains_key("ratelimit-policy")
}

fn concurrency(outcome: Outcome, signals: &Signals) -> Option<Concurrency> {
    let at_most = |limit| Concurrency::AtMost(u32::try_from(limit).unwrap_or(u32::MAX));
    let refused = outcome == Outcome::Throttled && signals.cause() == Some(Cause::Concurrency);
    let declared = signals.concurrency().map(at_most);
    declared.or(refused.then_some(Concurrency::TooMany))
}

/// Whether a gRPC call failed with `UNAVAILABLE`: one that says when to come back was turned away.
fn is_unavailable(trailers: &HeaderMap) -> bool {
    let status = trailers.get("grpc-status");
    status.is_some_and(|status| status.as_bytes() == b"14")
}

fn hit(
    name: Option<&str>,
    status: Option<StatusCode>,
    signals: &Signals,
    retry_after: Option<Duration>,
) {
    let status = status.map(|status| status.as_u16());
    let remaining = signals.binding().and_then(|limit: &Limit| limit.remaining);
    tracing::info!(
        name,
        status,
        grpc_status = signals.grpc_status(),
        retry_after = ?retry_after,
        remaining,
        "rate_limit_hit"
    );
}

impl<T> Clone for Listen<T> {
    fn clone(&self) -> Self {
        Self::of(Arc::clone(&self.ear))
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Listen<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listen")
            .field("profile", &self.ear.profile)
            .field("default_pause", &self.ear.default_pause)
            .finish_non_exhaustive()
    }
}
