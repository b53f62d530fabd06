//! Headers that say whether to retry at all, or why not.

use crate::signals::{
    Cause, Directive,
    heard::{Heard, Line, Outcome},
};

/// Reads `x-should-retry` (OpenAI, Anthropic; `true` or `false` in lower case, nothing else),
/// `x-envoy-ratelimited` and `x-envoy-overloaded` (Envoy doesn't retry these by itself: it would only
/// make things worse) and `stripe-rate-limited-reason`.
pub(crate) fn read(heard: &mut Heard, line: &Line<'_>) -> Outcome {
    match (line.name(), line.text) {
        ("x-should-retry", b"true") => heard.direct(Directive::Retry),
        ("x-should-retry", b"false") => heard.direct(Directive::NoRetry),
        ("x-should-retry", _) => return Outcome::Unread,
        ("x-envoy-ratelimited" | "x-envoy-overloaded", _) => heard.direct(Directive::NoRetry),
        ("stripe-rate-limited-reason", reason) => {
            if reason.ends_with(b"-concurrency") {
                heard.cause = Some(Cause::Concurrency);
            }
        }
        _ => return Outcome::NotMine,
    }
    Outcome::Read
}
