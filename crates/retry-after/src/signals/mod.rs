//! What servers say about throttling, read.

mod cause;
mod date;
mod draft;
pub mod emit;
mod heard;
#[cfg(feature = "json")]
mod json;
mod limit;
mod number;
mod pace;
mod profile;
mod protobuf;
mod readers;
mod reading;
mod span;
mod structured;
mod text;
mod time;

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Response, StatusCode};

pub use self::{
    cause::{Cause, Directive},
    limit::Limit,
    pace::{Pace, Pacing},
    profile::{Profile, ResetFormat, ResetHeader},
    reading::{Clock, Form, Reading, Source, Unread},
};
use self::{
    heard::{Heard, Rank},
    limit::binding,
    time::Base,
};
use crate::clock::wall_now;

/// What a response says about throttling.
///
/// Read with [`Signals::read`], it tells how long to [wait](Self::wait) and [why](Self::provenance),
/// whether the server [forbids or asks for](Self::directive) a retry, which [limits](Self::limits) it
/// disclosed, and at what [pace](Self::pace) to go on.
///
/// See the [crate docs](crate) for an example.
///
/// # Which wait counts
///
/// 1. The most trusted of the headers that say how long to wait: `grpc-retry-pushback-ms`,
///    `retry-after-ms`, `x-ms-retry-after-ms`, `x-amz-retry-after`, `Retry-After`, `X-Retry-After`,
///    `X-RateLimit-Retry-After`, `x-ratelimit-after`, `google.rpc.RetryInfo` in
///    `grpc-status-details-bin`, the body. Of several lines of one header, the longest (under
///    `envoy-reset`, the first). A zero gives way to a longer wait in a less trusted header, except for
///    gRPC's pushback.
/// 2. Else the latest reset among the limits that are exhausted.
/// 3. Else what the [profile](Profile) knows.
///
/// The wait is as the server says it. To be added by whoever waits: at least the client's own
/// backoff, [a guard](Self::guard), jitter upwards only.
///
/// # How a wait is read
///
/// A value is read wholly or not at all: as a number (`digits[.digits][e digits]`, exact, rounded up
/// to the nanosecond; no sign), a duration with units (`6m0s`), an HTTP date in any form that is seen,
/// or an ISO 8601 date. Numbers from 10⁹ on are seconds since the epoch, from 10¹² on milliseconds. An
/// instant in the past is a wait of zero.
///
/// An instant is measured from the response's own `Date`, plus its `Age` if that is below 10⁹, and only
/// without a readable `Date` from the local clock: local clocks are wrong by hours.
///
/// # Bounds
///
/// Nothing panics on any input. Values longer than [`MAX_VALUE_LEN`](Self::MAX_VALUE_LEN) are ignored,
/// no more than [`MAX_LIMITS`](Self::MAX_LIMITS) limits are kept (the first ones), and the work is
/// linear in the size of the headers. What is more than fits is [saturated](Self::saturated). A
/// response that says nothing costs a pass over the names of its headers, and a handle of its `Date`.
#[derive(Debug, Clone)]
pub struct Signals {
    status: StatusCode,
    heard: Heard,
    limits: Vec<Limit>,
    wait: Option<Reading>,
    next_request: Option<Duration>,
}

impl Signals {
    /// The longest wait to honour without asking somebody: 120 s (openai-python: waits of minutes cluster
    /// just above 60 s, and beyond two minutes they jump to hours).
    pub const CAP: Duration = Duration::from_secs(120);

    /// Longer header values are ignored: 8 KiB.
    pub const MAX_VALUE_LEN: usize = heard::MAX_VALUE;

    /// More limits are ignored: 64.
    pub const MAX_LIMITS: usize = heard::MAX_LIMITS;

    /// Longer bodies are ignored: 64 KiB.
    #[cfg(feature = "json")]
    #[cfg_attr(docsrs, doc(cfg(feature = "json")))]
    pub const MAX_BODY_LEN: usize = json::MAX_BODY;

    /// Reads the head of a response that arrived at `now`.
    ///
    /// `now` matters only if an absolute time is given and the response has no readable `Date`.
    #[must_use]
    pub fn read(
        headers: &HeaderMap,
        status: StatusCode,
        profile: &Profile,
        now: SystemTime,
    ) -> Self {
        let mut heard = Heard::new(Base::new(headers, now));
        heard.listen(headers, profile, profile.readers());
        if let Some(reading) = profile.explicit(headers, &heard.base) {
            heard.wait(Rank::RetryAfter, reading);
        }
        let mut limits = heard.limits(profile);
        if heard.base.is_cached() {
            limits.clear();
        }
        let signals = Self {
            status,
            next_request: profile.next(&limits),
            limits,
            heard,
            wait: None,
        };
        signals.settle(profile)
    }

    /// What a response that arrives now says: the signals that a layer further in has put into its
    /// extensions, which may have read the body, or else what is in its head.
    pub(crate) fn of<'a, B>(response: &'a Response<B>, profile: &Profile) -> Cow<'a, Self> {
        match response.extensions().get() {
            Some(signals) => Cow::Borrowed(signals),
            None => {
                let (headers, status) = (response.headers(), response.status());
                Cow::Owned(Self::read(headers, status, profile, wall_now()))
            }
        }
    }

    /// Adds what the trailers of a gRPC response say. Nothing but the `grpc-` trailers is read: limits
    /// must not be sent in trailers.
    #[must_use]
    pub fn with_trailers(mut self, trailers: &HeaderMap, profile: &Profile) -> Self {
        self.heard.listen(trailers, profile, &[readers::grpc::read]);
        self.settle(profile)
    }

    /// Adds what a JSON body says: `google.rpc.RetryInfo`, `retry_after`, error codes that tell the
    /// [`Cause`], and a wait in the message if the profile knows the wording.
    ///
    /// A body that isn't JSON, or is longer than [`MAX_BODY_LEN`](Self::MAX_BODY_LEN), says nothing; nor
    /// does what lies more than 32 levels deep.
    #[cfg(feature = "json")]
    #[cfg_attr(docsrs, doc(cfg(feature = "json")))]
    #[must_use]
    pub fn with_body(mut self, body: &[u8], profile: &Profile) -> Self {
        json::hear(&mut self.heard, body, profile);
        self.settle(profile)
    }

    fn settle(mut self, profile: &Profile) -> Self {
        let explicit = self.heard.chosen().map(|told| profile.adjust(told.clone()));
        let exhausted = self.binding().filter(|limit| limit.exhausted());
        let reset = exhausted.and_then(Limit::provenance).cloned();
        self.wait = explicit.or(reset).or_else(|| profile.fallback(self.status));
        self
    }
}

/// How long to wait.
impl Signals {
    /// How long the server says to wait, in so many words; `None` if it doesn't say. [`Duration::MAX`] if
    /// that is more than fits.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.heard.chosen().map(Reading::wait)
    }

    /// How long to wait, all things considered; `None` if there is no telling, and one's own backoff has
    /// to do. [`Duration::MAX`] if that is more than fits.
    ///
    /// A wait may come with any status: with a success it is for the next request, with a redirect for
    /// the redirected one. Look at the status first.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.wait.as_ref().map(Reading::wait)
    }

    /// What [`wait`](Self::wait) was read from, and how.
    #[must_use]
    pub fn provenance(&self) -> Option<&Reading> {
        self.wait.as_ref()
    }

    /// Whether the wait is longer than `cap`; see [`CAP`](Self::CAP). Such a wait is better surfaced as
    /// an error than slept through, and never shortened silently.
    #[must_use]
    pub fn over_cap(&self, cap: Duration) -> bool {
        self.wait().is_some_and(|wait| wait > cap)
    }

    /// Whether the wait is more than can be represented.
    #[must_use]
    pub fn saturated(&self) -> bool {
        self.wait() == Some(Duration::MAX)
    }

    /// What to add to the wait because it was measured to an instant given in whole seconds: 1 s, or nothing
    /// (Octokit, PyGithub, tweepy, Okta and Hugging Face all add it).
    #[must_use]
    pub fn guard(&self) -> Duration {
        self.provenance().map_or(Duration::ZERO, Reading::guard)
    }

    /// Everything that said how long to wait in so many words, the most trusted first.
    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        self.heard.waits.iter().map(|(_, reading)| reading)
    }

    /// When the next request should go, from now, by the rules of a vendor that has such rules
    /// (Reddit).
    #[must_use]
    pub fn next_request(&self) -> Option<Duration> {
        self.next_request
    }
}

/// Whether to retry, and why not.
impl Signals {
    /// Whether the server forbids a retry, or asks for one, whatever the status says.
    ///
    /// A wait over one's cap comes first: it is no time to retry then.
    #[must_use]
    pub fn directive(&self) -> Option<Directive> {
        let hopeless = match self.heard.cause {
            Some(Cause::Budget) => true,
            Some(Cause::DailyQuota) => self.heard.waits.is_empty(),
            _ => false,
        };
        if hopeless {
            Some(Directive::NoRetry)
        } else {
            self.heard.directive
        }
    }

    /// The status of a gRPC call; 8 is `RESOURCE_EXHAUSTED`, 14 `UNAVAILABLE`.
    #[must_use]
    pub fn grpc_status(&self) -> Option<u32> {
        self.heard.grpc_status
    }
}

/// What was disclosed.
impl Signals {
    /// All limits that the server disclosed, at most [`MAX_LIMITS`](Self::MAX_LIMITS). Those of a
    /// response from a cache (`Age` above 0) are out of date, and left out.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// The limit that holds a client back the most: the exhausted one with the latest reset; else the
    /// one with the smallest part of its quota remaining; else the first.
    #[must_use]
    pub fn binding(&self) -> Option<&Limit> {
        binding(&self.limits)
    }

    /// Whether nothing usable was found: no wait in so many words, no directive, no limit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heard.waits.is_empty() && self.directive().is_none() && self.limits.is_empty()
    }

    /// Headers that should have said something and couldn't be understood, at most 16.
    #[must_use]
    pub fn unread(&self) -> &[Unread] {
        &self.heard.unread
    }
}
