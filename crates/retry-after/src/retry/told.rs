use std::{borrow::Cow, time::Duration};

use http::Response;
use tower_throttle_core::{BoxError, Classify, HttpOutcome, Outcome, Verdict};

use super::kind::rejected;
use crate::{Directive, Profile, Reading, Signals, Source};

/// Waits below this may be what rounding makes of them: a server that counts in whole seconds says 1 for
/// whatever is left of the second, and a limiter that adapts knows better.
const ROUNDED: Duration = Duration::from_secs(2);

/// What a failure says about another attempt.
#[derive(Debug)]
pub(super) struct Told {
    /// By the server, or by a limiter.
    asked: Option<Asked>,
    /// How long to wait by the rule of a profile, whatever was asked for: our own backoff is part of it.
    rule: Option<Duration>,
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
struct Asked {
    wait: Duration,
    guard: Duration,
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
        let rule = reading.filter(|reading| is_by_rule(reading, profile));
        let asked = match rule {
            Some(_) => signals.retry_after().map(Asked::exactly),
            None => reading.map(|reading| Asked {
                wait: reading.wait(),
                guard: signals.guard(),
            }),
        };
        Self {
            asked,
            rule: rule.map(Reading::wait),
            stop: signals.directive() == Some(Directive::NoRetry),
            unsent: false,
            anew: reading.is_some_and(|reading| is_from(reading, "grpc-retry-pushback-ms")),
            heard: false,
        }
    }

    /// By an error.
    pub(super) fn by_error(error: &BoxError, unsent: bool) -> Self {
        let rejected = rejected(error);
        let retry_after = rejected.and_then(|rejected| rejected.retry_after());
        Self {
            asked: retry_after.map(Asked::exactly),
            rule: None,
            stop: rejected.is_some_and(|rejected| !rejected.is_retryable()),
            unsent,
            anew: false,
            heard: false,
        }
    }

    /// Whether more was asked for than this, and no rule has it shorter.
    pub(super) fn over_cap(&self, cap: Duration) -> bool {
        let over = |asked: Asked| asked.wait > cap && self.rule.is_none_or(|rule| rule > cap);
        self.asked.is_some_and(over)
    }

    /// No attempt succeeds sooner, if a limiter further in has heard what we have.
    pub(super) fn least(&self) -> Duration {
        self.asked.map_or(Duration::ZERO, Asked::least)
    }

    /// How long we wait in any case, if `own` is our own backoff and `spread` lengthens what was asked for.
    pub(super) fn wait(
        &self,
        own: Duration,
        spread: impl FnOnce(Duration) -> Duration,
    ) -> Duration {
        match (self.rule, self.asked) {
            (Some(rule), _) => rule,
            (None, Some(asked)) => spread(asked.least()).max(own),
            (None, None) => own,
        }
    }

    /// How long we wait if a limiter further in has heard the same, which it may have without being told
    /// for how long.
    pub(super) fn wait_beside_a_limiter(&self) -> Duration {
        let asked = self.asked.map(Asked::least);
        asked.map_or(Duration::ZERO, |asked| self.rule.unwrap_or(asked))
    }

    /// Whether what was asked for may be mere rounding.
    pub(super) fn is_rounded(&self) -> bool {
        self.asked.is_some_and(|asked| asked.wait < ROUNDED)
    }
}

impl Asked {
    const fn exactly(wait: Duration) -> Self {
        Self {
            wait,
            guard: Duration::ZERO,
        }
    }

    fn least(self) -> Duration {
        self.wait.saturating_add(self.guard)
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
fn is_by_rule(reading: &Reading, profile: &Profile) -> bool {
    let is_theirs =
        is_from(reading, "x-amz-retry-after") || matches!(reading.source(), Source::Profile(_));
    is_theirs && profile.name() == Profile::aws().name()
}

fn is_from(reading: &Reading, header: &str) -> bool {
    matches!(reading.source(), Source::Header(name) if name == header)
}
