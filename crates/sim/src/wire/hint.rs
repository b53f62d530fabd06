use std::{fmt, str::FromStr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::server::Disclosure;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// What the server tells its clients about its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// Nothing: a 429 is all there is.
    None,
    /// `Retry-After` on a 429: the whole seconds to the reset, rounded up.
    RetryAfter,
    /// The same in seconds that are always these, whatever the reset is.
    Constant(u32),
    /// `Retry-After` on a 429, and `X-RateLimit-Limit`, `-Remaining` and `-Reset` on every response.
    Remaining,
}

impl Hint {
    /// Writes it into a response.
    pub(crate) fn write(self, headers: &mut HeaderMap, disclosure: &Disclosure, refused: bool) {
        let reset = disclosure.reset.as_nanos();
        let reset = reset.div_ceil(Duration::from_secs(1).as_nanos()).max(1);
        let retry_after = match self {
            Self::None => None,
            Self::Constant(seconds) => Some(seconds.into()),
            Self::RetryAfter | Self::Remaining => Some(reset),
        };
        if let Some(seconds) = retry_after.filter(|_| refused) {
            headers.insert(header::RETRY_AFTER, value(seconds));
        }
        if self == Self::Remaining {
            headers.insert(LIMIT, value(disclosure.limit.into()));
            headers.insert(REMAINING, value(disclosure.remaining.into()));
            headers.insert(RESET, value(reset));
        }
    }
}

fn value(number: u128) -> HeaderValue {
    u64::try_from(number).unwrap_or(u64::MAX).into()
}

/// As on the command line: `none`, `retry-after`, `retry-after:SECONDS` or `remaining`.
impl FromStr for Hint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "none" => Ok(Self::None),
            None if text == "retry-after" => Ok(Self::RetryAfter),
            None if text == "remaining" => Ok(Self::Remaining),
            Some(("retry-after", seconds)) => seconds
                .parse()
                .map(Self::Constant)
                .map_err(|_| "the seconds after the colon must be a whole number".to_owned()),
            _ => Err("not none, retry-after, retry-after:SECONDS or remaining".to_owned()),
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::RetryAfter => f.write_str("retry-after"),
            Self::Constant(seconds) => write!(f, "retry-after:{seconds}"),
            Self::Remaining => f.write_str("remaining"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(hint: &str, refused: bool) -> Vec<String> {
        let disclosure = Disclosure {
            limit: 100,
            remaining: 3,
            reset: Duration::from_millis(1001),
        };
        let mut headers = HeaderMap::new();
        let hint: Hint = hint.parse().unwrap();
        hint.write(&mut headers, &disclosure, refused);
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        headers.iter().map(text).collect()
    }

    #[test]
    fn a_hint_says_no_more_than_it_should() {
        let limits = [
            "x-ratelimit-limit: 100",
            "x-ratelimit-remaining: 3",
            "x-ratelimit-reset: 2",
        ];
        assert_eq!(written("none", true), [""; 0]);
        assert_eq!(written("retry-after", false), [""; 0]);
        assert_eq!(written("retry-after", true), ["retry-after: 2"]);
        assert_eq!(written("retry-after:5", true), ["retry-after: 5"]);
        assert_eq!(written("remaining", false), limits);
        assert_eq!(written("remaining", true)[0], "retry-after: 2");
    }

    #[test]
    fn a_hint_is_called_as_it_is_written() {
        for text in ["none", "retry-after", "retry-after:5", "remaining"] {
            assert_eq!(text.parse::<Hint>().unwrap().to_string(), text);
        }
        assert!("retry-after:x".parse::<Hint>().is_err());
    }
}
