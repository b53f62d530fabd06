//! From what a server wrote to how long to wait.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, header};

use super::{
    date::{http_date, iso_8601},
    number::{Decimal, integer},
    reading::{Clock, Form},
    span::go_duration,
    text::trim,
};

/// Numbers from here on are seconds since the epoch: as a delay this would be 31 years.
const EPOCH_SECONDS: u128 = 1_000_000_000;
/// Numbers from here on are milliseconds since the epoch.
const EPOCH_MILLIS: u128 = 1_000_000_000_000;
const NS_PER_SECOND: u128 = 1_000_000_000;
const NS_PER_MILLI: u128 = 1_000_000;

/// What a bare number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds from now, or seconds or milliseconds since the epoch: its size tells.
    BySize,
    /// Milliseconds from now, however many.
    Milliseconds,
}

/// A time that was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed {
    pub(crate) wait: Duration,
    pub(crate) form: Form,
    pub(crate) clock: Option<Clock>,
}

/// The instant that absolute times are measured from: worked out when the first one is met.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    now: i128,
    date: Option<HeaderValue>,
    age: u128,
    instant: OnceLock<(i128, Clock)>,
}

impl Base {
    pub(crate) fn new(headers: &HeaderMap, now: SystemTime) -> Self {
        Self {
            now: unix_ns(now),
            date: headers.get(header::DATE).cloned(),
            age: age(headers),
            instant: OnceLock::new(),
        }
    }

    /// Whether the response comes from a cache.
    pub(crate) fn is_cached(&self) -> bool {
        self.age > 0
    }

    /// The response's own `Date`, plus its `Age`, if readable; else the local wall clock.
    ///
    /// The local clock may be wrong, and then a naive client reads *in the past* and hammers; the
    /// server's dates are right by the server's clock. This is the only place that decides.
    fn instant(&self) -> (i128, Clock) {
        *self.instant.get_or_init(|| {
            let date = self.date.as_ref().map(|date| trim(date.as_bytes()));
            // Nothing is kept for 31 years, and every date would be past: such an age is a mistake.
            let age = Some(self.age).filter(|age| (1..EPOCH_SECONDS).contains(age));
            match (date.and_then(|date| http_date(date, self.now)), age) {
                (None, _) => (self.now, Clock::Local),
                (Some(date), None) => (date, Clock::Date),
                (Some(date), Some(age)) => {
                    let age = to_signed(age.saturating_mul(NS_PER_SECOND));
                    (date.saturating_add(age), Clock::DateAndAge)
                }
            }
        })
    }

    /// How long until `at`; nothing if that is past.
    fn until(&self, at: i128, form: Form) -> Timed {
        let (base, clock) = self.instant();
        let wait = at.saturating_sub(base);
        Timed {
            wait: from_ns(u128::try_from(wait).unwrap_or(0)),
            form,
            clock: Some(clock),
        }
    }

    /// Reads a time in any form: a number, a duration with units, a date.
    pub(crate) fn read(&self, text: &[u8], unit: Unit) -> Option<Timed> {
        self.read_number(text, unit)
            .or_else(|| Some(Timed::delay(go_duration(text)?, Form::Span)))
            .or_else(|| Some(self.until(http_date(text, self.instant().0)?, Form::HttpDate)))
            .or_else(|| Some(self.until(iso_8601(text)?, Form::Iso8601)))
    }

    fn read_number(&self, text: &[u8], unit: Unit) -> Option<Timed> {
        Some(self.number(Decimal::parse(text)?, unit))
    }

    pub(crate) fn number(&self, number: Decimal<'_>, unit: Unit) -> Timed {
        let (as_seconds, as_millis) = (number.scaled_up(9), number.scaled_up(6));
        match unit {
            Unit::BySize => self.sized(as_seconds, as_millis),
            Unit::Milliseconds => Timed::delay(as_millis, Form::Milliseconds),
        }
    }

    /// Takes a whole number for seconds or milliseconds, from now or since the epoch.
    pub(crate) fn by_size(&self, number: u64) -> Timed {
        let number = u128::from(number);
        self.sized(number * NS_PER_SECOND, number * NS_PER_MILLI)
    }

    /// Takes a whole number for seconds, from now or since the epoch. [`u64::MAX`] stands for more than
    /// fits.
    pub(crate) fn seconds(&self, number: u64) -> Timed {
        match number {
            u64::MAX => Timed::delay(u128::MAX, Form::Seconds),
            _ if u128::from(number) < EPOCH_MILLIS => self.by_size(number),
            _ => Timed::delay(u128::from(number) * NS_PER_SECOND, Form::Seconds),
        }
    }

    /// Takes a number for what its size tells; given are the nanoseconds that it would be.
    fn sized(&self, as_seconds: u128, as_millis: u128) -> Timed {
        if as_seconds < EPOCH_SECONDS * NS_PER_SECOND || as_seconds == u128::MAX {
            Timed::delay(as_seconds, Form::Seconds)
        } else if as_seconds >= EPOCH_MILLIS * NS_PER_SECOND {
            self.until(to_signed(as_millis), Form::EpochMilliseconds)
        } else if as_seconds % NS_PER_SECOND == 0 {
            self.until(to_signed(as_seconds), Form::EpochSeconds)
        } else {
            self.until(to_signed(as_seconds), Form::EpochFraction)
        }
    }

    /// Reads whole seconds since the epoch; `None` if that is past.
    pub(crate) fn read_future_epoch(&self, text: &[u8]) -> Option<Timed> {
        let at = to_signed(integer(text)?.saturating_mul(NS_PER_SECOND));
        (at >= self.instant().0).then(|| self.until(at, Form::EpochSeconds))
    }
}

impl Timed {
    pub(crate) fn delay(ns: u128, form: Form) -> Self {
        Self {
            wait: from_ns(ns),
            form,
            clock: None,
        }
    }

    /// Reads milliseconds, with or without a fraction.
    pub(crate) fn millis(text: &[u8]) -> Option<Self> {
        let ns = Decimal::parse(text)?.scaled_up(6);
        Some(Self::delay(ns, Form::Milliseconds))
    }

    /// Reads milliseconds without a fraction.
    pub(crate) fn whole_millis(text: &[u8]) -> Option<Self> {
        let ns = integer(text)?.saturating_mul(NS_PER_MILLI);
        Some(Self::delay(ns, Form::Milliseconds))
    }

    /// Reads seconds without a fraction, however many.
    pub(crate) fn whole_seconds(text: &[u8]) -> Option<Self> {
        let ns = integer(text)?.saturating_mul(NS_PER_SECOND);
        Some(Self::delay(ns, Form::Seconds))
    }
}

/// The `Age` of a response in seconds, 0 if there is none that is readable. The oldest counts.
fn age(headers: &HeaderMap) -> u128 {
    let ages = headers.get_all(header::AGE).iter();
    ages.filter_map(|age| integer(trim(age.as_bytes())))
        .max()
        .unwrap_or(0)
}

/// [`Duration::MAX`] stands for more than fits.
fn from_ns(ns: u128) -> Duration {
    let Ok(seconds) = u64::try_from(ns / NS_PER_SECOND) else {
        return Duration::MAX;
    };
    let nanos = u32::try_from(ns % NS_PER_SECOND).unwrap_or_default();
    Duration::new(seconds, nanos)
}

fn unix_ns(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => to_signed(since.as_nanos()),
        Err(before) => -to_signed(before.duration().as_nanos()),
    }
}

fn to_signed(ns: u128) -> i128 {
    i128::try_from(ns).unwrap_or(i128::MAX)
}
