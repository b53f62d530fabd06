//! Headers that say how long to wait: `Retry-After` (RFC 9110 §10.2.3) and its kin.

use crate::signals::{
    heard::{Heard, Line, Outcome, Rank},
    time::{Base, Timed, Unit},
};

type Read = fn(&[u8], &Base) -> Option<Timed>;

/// The names, how much each is trusted, and how it is read.
///
/// `retry-after-ms` is OpenAI's and Azure's, `x-ms-retry-after-ms` Azure's, `x-amz-retry-after` that of
/// the AWS retry specification 2.1, `x-retry-after` Docker Hub's, `x-ratelimit-retry-after` Symfony's
/// and `x-ratelimit-after` that of the `governor` middlewares.
const HEADERS: &[(&str, Rank, Read)] = &[
    ("retry-after-ms", Rank::RetryAfterMs, millis),
    ("x-ms-retry-after-ms", Rank::XMsRetryAfterMs, millis),
    ("x-amz-retry-after", Rank::AmzRetryAfter, whole_millis),
    ("retry-after", Rank::RetryAfter, any),
    ("x-retry-after", Rank::XRetryAfter, any),
    ("x-ratelimit-retry-after", Rank::RateLimitRetryAfter, any),
    ("x-rate-limit-retry-after", Rank::RateLimitRetryAfter, any),
    ("ratelimit-retry-after", Rank::RateLimitRetryAfter, any),
    ("x-ratelimit-after", Rank::RateLimitAfter, any),
];

pub(crate) fn read(heard: &mut Heard, line: &Line<'_>) -> Outcome {
    let Some((_, rank, read)) = HEADERS.iter().find(|(name, ..)| *name == line.name()) else {
        return Outcome::NotMine;
    };
    let timed = read(line.text, &heard.base);
    timed
        .map(|timed| heard.wait(*rank, line.reading(timed)))
        .into()
}

fn any(text: &[u8], base: &Base) -> Option<Timed> {
    base.read(text, Unit::BySize)
}

fn millis(text: &[u8], _base: &Base) -> Option<Timed> {
    Timed::millis(text)
}

fn whole_millis(text: &[u8], _base: &Base) -> Option<Timed> {
    Timed::whole_millis(text)
}
