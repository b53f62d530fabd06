use std::{fmt, str::FromStr, time::Duration};

use tower_throttle_token_bucket::Rate;

use super::{Bucket, FixedWindow, Queueing, Server, SlidingLog, Slots};

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A quota per window, the windows beginning somewhere.
    Fixed,
    /// A quota per window, the first of which begins with the first request.
    Anchored,
    /// A quota per window, wherever that begins.
    Sliding,
    /// A quota per window that flows in evenly, with this burst.
    Bucket(u32),
    /// So many at a time, refusing what comes above, and slow when crowded.
    Slots(u32),
    /// So many at a time, the rest in line.
    Queueing(u32),
}

/// A request in an empty server of slots takes 0.2 s.
pub(crate) const SERVICE: Duration = Duration::from_millis(200);

impl Kind {
    /// Opens the server. `phase` is when the first window begins.
    #[must_use]
    pub fn open(self, quota: u32, window: Duration, phase: Duration) -> Box<dyn Server> {
        match self {
            Self::Fixed => Box::new(FixedWindow::new(quota, window).phase(phase)),
            Self::Anchored => Box::new(FixedWindow::new(quota, window)),
            Self::Sliding => Box::new(SlidingLog::new(quota, window)),
            Self::Bucket(burst) => Box::new(Bucket::new(quota, window, burst)),
            Self::Slots(slots) => Box::new(Slots::new(slots)),
            Self::Queueing(slots) => Box::new(Queueing::new(slots)),
        }
    }

    /// What it can let in at most, for ever: the quota, or the peak of its goodput.
    ///
    /// A server of `n` slots with `k` in flight lets in `k (1 - k/n) / 0.2 s`, at most `n / (4 · 0.2 s)`.
    #[must_use]
    pub fn rate(self, quota: u32, window: Duration) -> Rate {
        match self {
            Self::Slots(slots) => Rate::per(slots, 4 * SERVICE),
            Self::Queueing(slots) => Rate::per(slots, SERVICE),
            _ => Rate::per(quota, window),
        }
    }

    /// The same with so many slots, if that is what it has.
    pub(crate) const fn resized(self, slots: u32) -> Self {
        match self {
            Self::Slots(_) => Self::Slots(slots),
            Self::Queueing(_) => Self::Queueing(slots),
            other => other,
        }
    }

    /// Its slots, if that is what it has.
    #[must_use]
    pub const fn slots(self) -> Option<u32> {
        match self {
            Self::Slots(slots) | Self::Queueing(slots) => Some(slots),
            _ => None,
        }
    }
}

/// As on the command line: `fixed`, `anchored`, `sliding`, `bucket:BURST`, `slots:N` or `queue:N`.
impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "fixed" if number.is_empty() => Ok(Self::Fixed),
            "anchored" if number.is_empty() => Ok(Self::Anchored),
            "sliding" if number.is_empty() => Ok(Self::Sliding),
            "bucket" => positive(number).map(Self::Bucket),
            "slots" => positive(number).map(Self::Slots),
            "queue" => positive(number).map(Self::Queueing),
            _ => Err("not fixed, anchored, sliding, bucket:BURST, slots:N or queue:N".to_owned()),
        }
    }
}

fn positive(number: &str) -> Result<u32, String> {
    let number = number.parse().ok().filter(|&number: &u32| number > 0);
    number.ok_or_else(|| "the number after the colon must be at least 1".to_owned())
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed => f.write_str("fixed"),
            Self::Anchored => f.write_str("anchored"),
            Self::Sliding => f.write_str("sliding"),
            Self::Bucket(burst) => write!(f, "bucket:{burst}"),
            Self::Slots(slots) => write!(f, "slots:{slots}"),
            Self::Queueing(slots) => write!(f, "queue:{slots}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_called_as_it_is_written() {
        for text in [
            "fixed",
            "anchored",
            "sliding",
            "bucket:10",
            "slots:20",
            "queue:4",
        ] {
            assert_eq!(text.parse::<Kind>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_server_that_there_is_not_is_an_error() {
        for text in [
            "", "fixed:1", "bucket", "bucket:0", "slots:x", "queue:-1", "leaky",
        ] {
            assert!(text.parse::<Kind>().is_err(), "{text}");
        }
    }

    #[test]
    fn twenty_slots_let_in_25_per_second_at_most() {
        let rate = Kind::Slots(20).rate(100, Duration::from_secs(60));
        assert_eq!(rate.to_string(), "20 per 800ms");
    }
}
