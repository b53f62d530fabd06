use std::{fmt, time::Duration};

use http::HeaderName;

use super::time::Timed;

/// A time that a server gave, and how we came by it.
///
/// Its [`Display`](fmt::Display) form is an explanation: ``2s from `retry-after: 2`, read as seconds``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    wait: Duration,
    source: Source,
    raw: Box<str>,
    form: Form,
    clock: Option<Clock>,
}

/// Where a reading stood.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// In this header or trailer.
    Header(HeaderName),
    /// In the body.
    Body,
    /// Nowhere: the profile of this name knows what to do if nothing is said.
    Profile(&'static str),
}

/// How the text of a reading was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// A delay in seconds.
    Seconds,
    /// A delay in milliseconds.
    Milliseconds,
    /// A delay with units, such as `6m0s`.
    Span,
    /// A date of RFC 9110 §5.6.7.
    HttpDate,
    /// A date of ISO 8601 or RFC 3339.
    Iso8601,
    /// Seconds since the epoch, whole. The true instant may be up to a second later.
    EpochSeconds,
    /// Seconds since the epoch with a fraction.
    EpochFraction,
    /// Milliseconds since the epoch.
    EpochMilliseconds,
    /// A `google.rpc.RetryInfo`.
    RetryInfo,
    /// Not read at all: the profile's own.
    Fallback,
}

/// Which clock an absolute time was measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clock {
    /// The local wall clock: the response has no readable `Date`.
    Local,
    /// The response's `Date`.
    Date,
    /// The response's `Date` plus its `Age`.
    DateAndAge,
}

/// A header that should have said something about throttling, and couldn't be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    header: HeaderName,
    raw: Box<str>,
}

impl Reading {
    pub(crate) fn new(timed: Timed, source: Source, raw: Box<str>) -> Self {
        Self {
            wait: timed.wait,
            source,
            raw,
            form: timed.form,
            clock: timed.clock,
        }
    }

    pub(crate) fn fallback(profile: &'static str, wait: Duration) -> Self {
        Self {
            wait,
            source: Source::Profile(profile),
            raw: Box::default(),
            form: Form::Fallback,
            clock: None,
        }
    }

    /// How long to wait from when the response arrived. [`Duration::MAX`] if that is more than fits.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Where it stood.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What stood there: at most the first 80 bytes, with what isn't UTF-8 replaced.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// How it was understood.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Which clock it was measured against; `None` for a delay, which needs none.
    #[must_use]
    pub fn clock(&self) -> Option<Clock> {
        self.clock
    }

    /// Whether the wait is longer than `cap`.
    #[must_use]
    pub fn over_cap(&self, cap: Duration) -> bool {
        self.wait > cap
    }

    /// What to add to the wait: see [`Signals::guard`](crate::Signals::guard).
    pub(crate) fn guard(&self) -> Duration {
        match self.form {
            Form::EpochSeconds => Duration::from_secs(1),
            _ => Duration::ZERO,
        }
    }

    /// The wait with another length.
    #[must_use]
    pub(crate) fn lasting(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }
}

impl Unread {
    pub(crate) fn new(header: HeaderName, raw: Box<str>) -> Self {
        Self { header, raw }
    }

    /// Its name.
    #[must_use]
    pub fn header(&self) -> &HeaderName {
        &self.header
    }

    /// What stood there: at most the first 80 bytes, with what isn't UTF-8 replaced.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wait {
            Duration::MAX => f.write_str("longer than can be said")?,
            wait => write!(f, "{wait:?}")?,
        }
        match &self.source {
            Source::Header(name) => write!(f, " from `{name}: {}`", self.raw)?,
            Source::Body => write!(f, " from `{}` in the body", self.raw)?,
            Source::Profile(name) => return write!(f, ", as the profile {name} has it"),
        }
        write!(f, ", read as {}", self.form)?;
        self.clock
            .map_or(Ok(()), |clock| write!(f, " against {clock}"))
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Span => "a duration with units",
            Self::HttpDate => "an HTTP date",
            Self::Iso8601 => "an ISO 8601 date",
            Self::EpochSeconds => "seconds since the epoch",
            Self::EpochFraction => "seconds since the epoch with a fraction",
            Self::EpochMilliseconds => "milliseconds since the epoch",
            Self::RetryInfo => "google.rpc.RetryInfo",
            Self::Fallback => "a fallback",
        })
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "the local clock",
            Self::Date => "the response's Date",
            Self::DateAndAge => "the response's Date + Age",
        })
    }
}
