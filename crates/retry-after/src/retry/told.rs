use std::{borrow::Cow, time::Duration};

use http::Response;
use tower_throttle_core::{BoxError, Classify, HttpOutcome, Outcome, Verdict};

use super::kind::rejected;
use crate::{Directive, Profile, Reading, Signals, Source};

/// What a failure says about another attempt.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) wait: Option<Wait>,
    /// No retry, whatever else.
    pub(super) stop: bool,
    /// The request never left.
    pub(super) unsent: bool,
    /// The own backoff begins anew (gRPC A6: a pushback resets it).
    pub(super) anew: bool,
    /// Every limiter further in has heard that it was too much, whatever its profile.
    pub(super) heard: bool,
}

/// A wait that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    /// No less than this.
    AtLeast(Duration),
    /// This, as the rule of a profile has it: our own backoff is part of it already.
    Exactly(Duration),
}

impl Wait {
    pub(super) fn asked(self) -> Duration {
        match self {
            Self::AtLeast(wait) | Self::Exactly(wait) => wait,
        }
    }

    /// How long it is until the next attempt at the earliest, whoever waits.
    pub(super) fn least(self) -> Duration {
        match self {
            Self::AtLeast(wait) => wait,
            // A limiter that waits in our place knows no such rule.
            Self::Exactly(_) => Duration::ZERO,
        }
    }
}

impl Told {
    /// By a response.
    pub(super) fn by_response<R>(response: &Response<R>, profile: &Profile) -> Self {
        let told = match Signals::of(response, profile) {
            // Whoever has read these knew nothing of our backoff.
            Cow::Borrowed(signals) => Self::by_signals(signals, &Profile::generic()),
            Cow::Owned(signals) => Self::by_signals(&signals, profile),
        };
        Self {
            heard: is_heard(response),
            ..told
        }
    }

    fn by_signals(signals: &Signals, profile: &Profile) -> Self {
        let reading = signals.provenance();
        Self {
            wait: reading.map(|reading| wait(reading, signals.guard(), profile)),
            stop: signals.directive() == Some(Directive::NoRetry),
            unsent: false,
            anew: reading.is_some_and(|reading| is_from(reading, "grpc-retry-pushback-ms")),
            heard: false,
        }
    }

    /// By an error.
    pub(super) fn by_error(error: &BoxError, unsent: bool) -> Self {
        let rejected = rejected(error);
        Self {
            wait: rejected
                .and_then(|rejected| rejected.retry_after())
                .map(Wait::AtLeast),
            stop: rejected.is_some_and(|rejected| !rejected.is_retryable()),
            unsent,
            anew: false,
            heard: false,
        }
    }
}

/// Whether the adapters of all limiters call this throttled: by the status alone, under every profile.
/// So an adaptive law slows down, and a gate closes, for a default pause if nothing else.
fn is_heard<R>(response: &Response<R>) -> bool {
    let verdict = HttpOutcome.classify(Ok::<_, &BoxError>(response));
    matches!(verdict, Verdict::Known(Outcome::Throttled))
}

/// Under the AWS profile the wait lies between the own backoff, jitter included, and 5 s more: what was
/// added to it would break that rule.
fn wait(reading: &Reading, guard: Duration, profile: &Profile) -> Wait {
    let is_aws = profile.name() == Profile::aws().name();
    let by_rule =
        is_from(reading, "x-amz-retry-after") || matches!(reading.source(), Source::Profile(_));
    if is_aws && by_rule {
        Wait::Exactly(reading.wait())
    } else {
        Wait::AtLeast(reading.wait().saturating_add(guard))
    }
}

fn is_from(reading: &Reading, header: &str) -> bool {
    matches!(reading.source(), Source::Header(name) if name == header)
}
