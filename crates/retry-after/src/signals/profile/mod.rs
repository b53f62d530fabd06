//! What a header's name doesn't say, told for each vendor.

mod aws;
mod azure_openai;
mod envoy;
mod github;
mod okta;
mod prisjakt;
mod reddit;
mod sentry;
mod vendor;

use std::{fmt, time::Duration};

use http::{HeaderMap, StatusCode};

pub use self::envoy::{ResetFormat, ResetHeader};
use self::vendor::{GENERIC, GENERIC_VENDOR, VENDORS, Vendor};
use super::{
    draft::Repeated,
    heard::Reader,
    limit::Limit,
    reading::Reading,
    time::{Base, Unit},
};

/// Whose responses are read.
///
/// Most headers speak for themselves: `retry-after-ms`, `RateLimit`, `x-ratelimit-remaining-tokens`,
/// `anthropic-ratelimit-…`, `X-Shopify-Shop-Api-Call-Limit`, `X-Sentry-Rate-Limits`, `grpc-…` and many
/// more are read under every profile. A profile tells what the headers don't:
///
/// | profile | what it knows |
/// |---|---|
/// | `generic` | nothing beyond; the default |
/// | `aws` | the wait lies between the client's own [backoff](Self::backoff) and 5 s more |
/// | `azure-openai` | the wait may stand in the body's message only |
/// | `envoy-reset` | [which headers](Self::envoy_reset) to read, and no others |
/// | `github` | 403 and 429 without any hint: a secondary limit, 60 s at least |
/// | `okta` | of several resets the first one counts |
/// | `prisjakt` | resets are milliseconds |
/// | `reddit` | the [window](Self::window), and so when the [next request](crate::Signals::next_request) should go |
/// | `sentry` | 429 without any hint: 60 s |
///
/// The other [`names`](Self::names) are read as `generic`: all there is to know about them is in their
/// headers.
#[derive(Clone)]
pub struct Profile {
    name: &'static str,
    vendor: &'static Vendor,
    strictly: bool,
    backoff: Option<Duration>,
    window: Duration,
    resets: Vec<ResetHeader>,
    max_interval: Duration,
}

/// Constructors. Profiles are cheap to clone: all but `envoy-reset` without allocating.
impl Profile {
    /// Reads what the headers say and adds nothing. The default.
    #[must_use]
    pub fn generic() -> Self {
        Self::of("generic", &GENERIC_VENDOR)
    }

    /// The profile of this name, one of [`names`](Self::names). `None` if there is none: then
    /// [`generic`](Self::generic) is the one to use.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (name, vendor) = VENDORS.iter().find(|(known, _)| *known == name)?;
        Some(Self::of(name, vendor))
    }

    /// AWS services, retry specification 2.1. See [`backoff`](Self::backoff).
    #[must_use]
    pub fn aws() -> Self {
        Self::of("aws", &aws::VENDOR)
    }

    /// GitHub: a 403 or 429 without any hint is a secondary limit, to be waited out for 60 s at least
    /// (GitHub's documentation; so do Octokit and PyGithub).
    #[must_use]
    pub fn github() -> Self {
        Self::of("github", &github::VENDOR)
    }

    /// Reddit. See [`window`](Self::window).
    #[must_use]
    pub fn reddit() -> Self {
        Self::of("reddit", &reddit::VENDOR)
    }

    /// Reads these headers only, in this order, as Envoy's `rate_limited_retry_back_off` does: the
    /// first with a usable value counts. An instant in the past isn't usable, nor is a wait longer than
    /// the [`max_interval`](Self::max_interval).
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use http::{HeaderMap, StatusCode};
    /// use tower_throttle_retry_after::{Profile, ResetFormat, ResetHeader, Signals};
    ///
    /// let profile = Profile::envoy_reset([
    ///     ResetHeader { name: http::header::RETRY_AFTER, format: ResetFormat::Seconds },
    /// ]);
    /// let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, "10".parse().unwrap())]);
    /// let signals = Signals::read(&headers, StatusCode::TOO_MANY_REQUESTS, &profile, UNIX_EPOCH);
    /// assert_eq!(signals.retry_after(), Some(Duration::from_secs(10)));
    /// ```
    #[must_use]
    pub fn envoy_reset(headers: impl IntoIterator<Item = ResetHeader>) -> Self {
        Self::of("envoy-reset", &envoy::VENDOR).reset_headers(headers)
    }

    fn of(name: &'static str, vendor: &'static Vendor) -> Self {
        Self {
            name,
            vendor,
            strictly: false,
            backoff: None,
            window: reddit::WINDOW,
            resets: Vec::new(),
            max_interval: envoy::MAX_INTERVAL,
        }
    }
}

/// Settings.
impl Profile {
    /// Ignores a malformed `RateLimit` or `RateLimit-Policy` field, as RFC 9651 §4.2 demands, instead
    /// of picking out what can be picked out as the last resort.
    #[must_use]
    pub fn strict(self) -> Self {
        Self {
            strictly: true,
            ..self
        }
    }

    /// `aws`: what the client would wait by itself before this attempt, jitter included. The wait is
    /// at least that, at most 5 s more, and exactly that if the server says nothing usable on an
    /// error. Default: not known; then the server's wait stands as it is.
    #[must_use]
    pub fn backoff(self, backoff: Duration) -> Self {
        Self {
            backoff: Some(backoff),
            ..self
        }
    }

    /// `reddit`: the window of the quota. Default: 600 s.
    #[must_use]
    pub fn window(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// `envoy-reset`: which headers to read, in this order. Default: none, so nothing is read.
    #[must_use]
    pub fn reset_headers(self, headers: impl IntoIterator<Item = ResetHeader>) -> Self {
        Self {
            resets: headers.into_iter().collect(),
            ..self
        }
    }

    /// `envoy-reset`: the longest wait to take from a header; above it, the next header is tried.
    /// Default: 300 s, as Envoy's.
    #[must_use]
    pub fn max_interval(self, max_interval: Duration) -> Self {
        Self {
            max_interval,
            ..self
        }
    }
}

impl Profile {
    /// The names of all profiles.
    pub fn names() -> impl Iterator<Item = &'static str> {
        VENDORS.iter().map(|(name, _)| *name)
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn readers(&self) -> &'static [Reader] {
        self.vendor.readers
    }

    pub(crate) fn reads_strictly(&self) -> bool {
        self.strictly
    }

    pub(crate) fn reset_unit(&self) -> Unit {
        self.vendor.reset_unit
    }

    pub(crate) fn repeated(&self) -> Repeated {
        self.vendor.repeated
    }

    pub(crate) fn explicit(&self, headers: &HeaderMap, base: &Base) -> Option<Reading> {
        (self.vendor.explicit)(self, headers, base)
    }

    pub(crate) fn adjust(&self, reading: Reading) -> Reading {
        (self.vendor.adjust)(self, reading)
    }

    /// Whether this status is about throttling, beside 429 and 503.
    pub(crate) fn throttles(&self, status: StatusCode) -> bool {
        self.vendor.throttles.contains(&status)
    }

    pub(crate) fn fallback(&self, status: StatusCode) -> Option<Reading> {
        let wait = (self.vendor.fallback)(self, status)?;
        Some(Reading::fallback(self.name, wait))
    }

    pub(crate) fn next(&self, limits: &[Limit]) -> Option<Duration> {
        (self.vendor.next)(self, limits)
    }

    #[cfg(feature = "json")]
    pub(crate) fn wait_in_message<'a>(&self, message: &'a str) -> Option<&'a str> {
        (self.vendor.in_message)(message)
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::generic()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("name", &self.name)
            .field("strict", &self.strictly)
            .field("backoff", &self.backoff)
            .field("window", &self.window)
            .field("resets", &self.resets)
            .field("max_interval", &self.max_interval)
            .finish()
    }
}
