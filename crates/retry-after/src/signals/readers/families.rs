//! The families of headers that each say one thing about a limit: `X-RateLimit-Limit`,
//! `X-RateLimit-Remaining`, `X-RateLimit-Reset` and everything named after them.
//!
//! A name is cut into a family, a field and the name of the limit, in whatever order:
//!
//! ```text
//! x - ratelimit - remaining - tokens        anthropic - ratelimit - tokens - remaining
//! └────┬──────┘   └───┬───┘   └─┬──┘        └────────┬──────────┘   └─┬──┘   └───┬───┘
//!    family         field     name                 family            name      field
//! ```

use std::time::Duration;

use super::ratelimit::Policy;
use crate::signals::{
    draft::{Draft, Repeated, ResetBy},
    heard::{Heard, Line, Outcome},
    number::{Decimal, integer},
    reading::Reading,
    structured::{Syntax, strict},
    time::{Base, Timed, Unit},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Limit,
    Remaining,
    Used,
    Utilization,
    Reset(ResetBy),
    WindowSeconds,
    WindowMilliseconds,
}

/// No word is listed after one that it ends or begins with.
const FIELDS: &[(&str, Field)] = &[
    ("reset-after", Field::Reset(ResetBy::ResetAfter)),
    ("resettime", Field::Reset(ResetBy::ResetTime)),
    ("reset", Field::Reset(ResetBy::Reset)),
    ("next", Field::Reset(ResetBy::Next)),
    ("remaining", Field::Remaining),
    ("used", Field::Used),
    ("observed", Field::Used),
    ("utilization", Field::Utilization),
    ("interval-seconds", Field::WindowSeconds),
    ("interval-milliseconds", Field::WindowMilliseconds),
    ("limit", Field::Limit),
];

/// Words of a name that tell the window, in seconds.
const WINDOWS: &[(&str, u64)] = &[
    ("second", 1),
    ("secondly", 1),
    ("minute", 60),
    ("hour", 3600),
    ("hourly", 3600),
    ("day", 86_400),
    ("daily", 86_400),
];

/// Units of a word such as `5h`, in seconds.
const SHORT_WINDOWS: &[(&str, u64)] = &[("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];

pub(crate) fn read(heard: &mut Heard, line: &Line<'_>) -> Outcome {
    let Some((family, rest)) = split(line.name()) else {
        return Outcome::NotMine;
    };
    match field_of(rest) {
        Some((field, name)) => set(heard, line, family, field, name).into(),
        None => Outcome::NotMine,
    }
}

/// Puts what the line says into the draft of this family and name.
pub(crate) fn set(
    heard: &mut Heard,
    line: &Line<'_>,
    family: &str,
    field: Field,
    name: Option<&str>,
) -> Option<()> {
    let value = Value::parse(field, line, &heard.base)?;
    let draft = heard.draft(family, name)?;
    draft.limit.unit = name.and_then(unit_of);
    draft.window(name.and_then(window_of));
    let quotas = value.put(draft, line.profile.repeated());
    heard.fields.quotas.extend(quotas);
    Some(())
}

/// What a line says, in the terms of its field.
enum Value {
    Limit(Count),
    Remaining(Count),
    Used(Count),
    Utilization(f64),
    Reset(ResetBy, Reading),
    Window(Duration),
}

impl Value {
    fn parse(field: Field, line: &Line<'_>, base: &Base) -> Option<Self> {
        Some(match field {
            Field::Limit => Self::Limit(Count::parse(line.text)?),
            Field::Remaining => Self::Remaining(Count::parse(line.text)?),
            Field::Used => Self::Used(Count::parse(line.text)?),
            Field::Utilization => Self::Utilization(fraction(line.text)?),
            Field::WindowSeconds => Self::Window(Timed::whole_seconds(line.text)?.wait),
            Field::WindowMilliseconds => Self::Window(Timed::whole_millis(line.text)?.wait),
            Field::Reset(by) => {
                let unit = match by {
                    ResetBy::Reset => line.profile.reset_unit(),
                    _ => Unit::BySize,
                };
                Self::Reset(by, line.reading(base.read(line.text, unit)?))
            }
        })
    }

    /// Gives back the quotas that came along with a limit.
    fn put(self, draft: &mut Draft, repeated: Repeated) -> Vec<Policy> {
        match self {
            Self::Limit(count) => {
                draft.limit(count.number);
                draft.window(count.window);
                return count.quotas;
            }
            Self::Remaining(count) => {
                draft.remaining(count.number);
                draft.window(count.window);
            }
            Self::Used(count) => draft.used(count.number),
            Self::Utilization(used) => draft.utilization(used),
            Self::Reset(by, reading) => draft.reset(by, reading, repeated),
            Self::Window(window) => draft.window(Some(window)),
        }
        Vec::new()
    }
}

/// A number of things, with what earlier drafts of the `RateLimit` fields put after it: its window, as
/// in `76;w=21600`, and all the quotas that there are, as in `100, 100;w=60, 5000;w=3600`.
struct Count {
    number: u64,
    window: Option<Duration>,
    quotas: Vec<Policy>,
}

impl Count {
    fn parse(text: &[u8]) -> Option<Self> {
        if let Some(number) = Decimal::parse(text) {
            return Some(Self {
                number: number.floor(),
                window: None,
                quotas: Vec::new(),
            });
        }
        let (members, syntax) = strict(text)?;
        let (first, others) = members.split_first().filter(|_| syntax == Syntax::List)?;
        Some(Self {
            number: first.number?,
            window: first.number_of("w").map(Duration::from_secs),
            quotas: others.iter().filter_map(Policy::unnamed).collect(),
        })
    }
}

/// Cuts a header's name after the words that make it one of these.
fn split(header: &str) -> Option<(&str, &str)> {
    if let Some(rest) = header.strip_prefix("x-rl-") {
        return Some(("x-rl", rest));
    }
    let cut = |word: &str| {
        let at = header.find(word)?;
        let (family, rest) = (&header[..at], &header[at + word.len()..]);
        let whole = (family.is_empty() || family.ends_with('-'))
            && (rest.is_empty() || rest.starts_with('-'));
        whole.then(|| (family, rest.trim_start_matches('-')))
    };
    cut("ratelimit").or_else(|| cut("rate-limit"))
}

fn field_of(rest: &str) -> Option<(Field, Option<&str>)> {
    if rest.is_empty() {
        return Some((Field::Limit, None));
    }
    FIELDS.iter().find_map(|(word, field)| {
        let before = rest
            .strip_prefix(word)
            .and_then(|rest| rest.strip_prefix('-'));
        let after = rest
            .strip_suffix(word)
            .and_then(|rest| rest.strip_suffix('-'));
        let name = before.or(after);
        (rest == *word || name.is_some()).then_some((*field, name))
    })
}

/// The window that the last word of a name tells: `minute`, `5h`, `7d`.
fn window_of(name: &str) -> Option<Duration> {
    let word = name.rsplit('-').next()?;
    let named = WINDOWS.iter().find(|(name, _)| *name == word);
    let seconds = match named {
        Some((_, seconds)) => *seconds,
        None => short_window(word)?,
    };
    Some(Duration::from_secs(seconds))
}

fn short_window(word: &str) -> Option<u64> {
    let cut = |(unit, seconds): &(&str, u64)| Some((word.strip_suffix(unit)?, *seconds));
    let (digits, seconds) = SHORT_WINDOWS.iter().find_map(cut)?;
    let number = u64::try_from(integer(digits.as_bytes())?).ok()?;
    number.checked_mul(seconds)
}

/// What is counted, where a name tells that it isn't requests.
fn unit_of(name: &str) -> Option<String> {
    let words = ["tokens", "complexity"];
    let unit = words.into_iter().find(|word| name.contains(word));
    unit.map(str::to_owned)
}

fn fraction(text: &[u8]) -> Option<f64> {
    Decimal::parse(text)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(header: &str) -> Option<(&str, Field, Option<&str>)> {
        let (family, rest) = split(header)?;
        let (field, name) = field_of(rest)?;
        Some((family, field, name))
    }

    #[test]
    fn a_name_is_cut_into_family_field_and_name() {
        let reset = Field::Reset(ResetBy::Reset);
        for (header, expected) in [
            ("x-ratelimit-limit", ("x-", Field::Limit, None)),
            ("ratelimit-remaining", ("", Field::Remaining, None)),
            ("x-rate-limit-reset", ("x-", reset, None)),
            ("x-rl-reset", ("x-rl", reset, None)),
            ("x-sib-ratelimit-reset", ("x-sib-", reset, None)),
            ("x-ratelimit-reset-tokens", ("x-", reset, Some("tokens"))),
            (
                "x-ratelimit-requests-reset",
                ("x-", reset, Some("requests")),
            ),
            (
                "x-ratelimit-limit-minute",
                ("x-", Field::Limit, Some("minute")),
            ),
            (
                "anthropic-ratelimit-input-tokens-limit",
                ("anthropic-", Field::Limit, Some("input-tokens")),
            ),
            (
                "x-ratelimit-reset-after",
                ("x-", Field::Reset(ResetBy::ResetAfter), None),
            ),
            ("x-rate-limit", ("x-", Field::Limit, None)),
        ] {
            assert_eq!(parts(header), Some(expected), "{header}");
        }
    }

    #[test]
    fn a_name_without_a_field_is_not_ours() {
        for header in [
            "x-ratelimited-limit",
            "docker-ratelimit-source",
            "x-ratelimit-bucket",
            "x-sentry-rate-limits",
            "retry-after",
            "x-ratelimit-nearlimit",
            "x-corporate-limit",
        ] {
            assert_eq!(parts(header), None, "{header}");
        }
    }

    #[test]
    fn the_last_word_of_a_name_may_tell_the_window() {
        let seconds = |name| window_of(name).map(|window| window.as_secs());
        assert_eq!(seconds("minute"), Some(60));
        assert_eq!(seconds("unified-5h"), Some(18_000));
        assert_eq!(seconds("unified-7d"), Some(604_800));
        assert_eq!(seconds("10m"), Some(600));
        for name in [
            "tokens",
            "h",
            "5x",
            "5hh",
            "",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert_eq!(seconds(name), None, "{name}");
        }
    }
}
