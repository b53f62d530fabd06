//! Saying it: the headers that a server sends, in the form that [`Signals`](crate::Signals) reads.

use std::time::Duration;

use http::HeaderValue;
use sfv::{Integer, KeyRef, ListSerializer, ParameterSerializer, StringRef, key_ref};

use super::limit::Limit;

/// What a limit without a name is called in the `RateLimit` fields, where each has one.
const UNNAMED: &str = "default";

/// The largest integer of a structured field (RFC 9651 §3.3.1).
const MAX_INTEGER: u64 = 999_999_999_999_999;

/// 31 years.
const MAX_DELAY: u64 = 999_999_999;

/// The value of a `Retry-After` header (RFC 9110 §10.2.3): whole seconds, rounded **up**.
///
/// Rounded down, 900 ms would go out as `0`, an invitation to come at once. At most 999 999 999: clients
/// take more for an instant rather than a delay.
///
/// ```
/// use std::time::Duration;
/// use tower_throttle_retry_after::emit;
///
/// assert_eq!(emit::retry_after(Duration::from_millis(900)), "1");
/// assert_eq!(emit::retry_after(Duration::ZERO), "0");
/// ```
#[must_use]
pub fn retry_after(wait: Duration) -> HeaderValue {
    HeaderValue::from(whole_seconds(wait).min(MAX_DELAY))
}

/// The value of a `RateLimit` header (draft-ietf-httpapi-ratelimit-headers-10 §4): what remains of each
/// limit, and the seconds until its reset, rounded up.
///
/// Limits of which it isn't known what remains are left out, and so are those whose name isn't
/// printable ASCII. `None` if none is left.
#[must_use]
pub fn rate_limit<'a>(limits: impl IntoIterator<Item = &'a Limit>) -> Option<HeaderValue> {
    let mut list = ListSerializer::new();
    for limit in limits {
        if let (Some(name), Some(remaining)) = (name(limit), limit.remaining) {
            let member = list.bare_item(name);
            let member = with(member, key_ref("r"), Some(remaining));
            _ = with(member, key_ref("t"), limit.reset.map(whole_seconds));
        }
    }
    HeaderValue::try_from(list.finish()?).ok()
}

/// The value of a `RateLimit-Policy` header (draft-ietf-httpapi-ratelimit-headers-10 §3): the quota of
/// each limit, its unit if that isn't requests, and its window in seconds, rounded up.
///
/// Limits whose quota isn't known are left out, and so are those whose name isn't printable ASCII.
/// `None` if none is left.
#[must_use]
pub fn rate_limit_policy<'a>(limits: impl IntoIterator<Item = &'a Limit>) -> Option<HeaderValue> {
    let mut list = ListSerializer::new();
    for limit in limits {
        if let (Some(name), Some(quota)) = (name(limit), limit.limit) {
            let member = with(list.bare_item(name), key_ref("q"), Some(quota));
            let unit = limit.unit.as_deref().filter(|_| !limit.counts_requests());
            let member = match unit.map(StringRef::from_str) {
                Some(Ok(unit)) => member.parameter(key_ref("qu"), unit),
                _ => member,
            };
            _ = with(member, key_ref("w"), limit.window.map(whole_seconds));
        }
    }
    HeaderValue::try_from(list.finish()?).ok()
}

fn name(limit: &Limit) -> Option<&StringRef> {
    StringRef::from_str(limit.name.as_deref().unwrap_or(UNNAMED)).ok()
}

fn with<'a>(
    member: ParameterSerializer<&'a mut String>,
    key: &KeyRef,
    number: Option<u64>,
) -> ParameterSerializer<&'a mut String> {
    let number = number.and_then(|number| Integer::try_from(number.min(MAX_INTEGER)).ok());
    match number {
        Some(number) => member.parameter(key, number),
        None => member,
    }
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs()
        .saturating_add(u64::from(time.subsec_nanos() > 0))
}
