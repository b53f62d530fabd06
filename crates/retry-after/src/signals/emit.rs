//! Saying it: the headers that a server sends, in the form that [`Signals`](crate::Signals) reads.

use std::{borrow::Cow, time::Duration};

use http::HeaderValue;
use sfv::{Integer, ItemSerializer, KeyRef, ParameterSerializer, StringRef, key_ref};

use super::{Signals, limit::Limit};

/// What the first limit without a name is called in the `RateLimit` fields, where each has one.
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
/// limit, and the seconds until its reset, rounded up, at most 999 999 999.
///
/// Limits of which it isn't known what remains are left out, and so are those whose name isn't
/// printable ASCII, and all from the one on that would make the value longer than
/// [clients read](crate::Signals::MAX_VALUE_LEN). `None` if none is left.
///
/// The first limit without a name is called `default`, the next ones `default-2` and so on, here and in
/// [`rate_limit_policy`] alike. Give each of several limits a name of its own: clients join what is said of
/// one name.
#[must_use]
pub fn rate_limit<'a>(limits: impl IntoIterator<Item = &'a Limit>) -> Option<HeaderValue> {
    list(limits, |item, limit| {
        let item = with(item, key_ref("r"), Some(limit.remaining?));
        let reset = limit.reset.map(|reset| whole_seconds(reset).min(MAX_DELAY));
        Some(with(item, key_ref("t"), reset))
    })
}

/// The value of a `RateLimit-Policy` header (draft-ietf-httpapi-ratelimit-headers-10 §3): the quota of
/// each limit, its unit if that isn't requests, and its window in seconds, rounded up.
///
/// Limits whose quota isn't known are left out, and so are those that can't be said: see [`rate_limit`].
/// `None` if none is left.
#[must_use]
pub fn rate_limit_policy<'a>(limits: impl IntoIterator<Item = &'a Limit>) -> Option<HeaderValue> {
    list(limits, |item, limit| {
        let item = with(item, key_ref("q"), Some(limit.limit?));
        let unit = limit.unit.as_deref().filter(|_| !limit.counts_requests());
        let item = match unit.map(StringRef::from_str) {
            Some(Ok(unit)) => item.parameter(key_ref("qu"), unit),
            _ => item,
        };
        Some(with(item, key_ref("w"), limit.window.map(whole_seconds)))
    })
}

type Item = ParameterSerializer<String>;

/// A list (RFC 9651 §4.1.1) of what `say` says of each limit.
fn list<'a>(
    limits: impl IntoIterator<Item = &'a Limit>,
    say: impl Fn(Item, &Limit) -> Option<Item>,
) -> Option<HeaderValue> {
    let (mut list, mut unnamed) = (String::new(), 0);
    for limit in limits {
        let name = name(limit, &mut unnamed);
        let Ok(name) = StringRef::from_str(&name) else {
            continue;
        };
        let Some(item) = say(ItemSerializer::new().bare_item(name), limit) else {
            continue;
        };
        let (comma, item) = (if list.is_empty() { "" } else { ", " }, item.finish());
        if list.len() + comma.len() + item.len() > Signals::MAX_VALUE_LEN {
            break;
        }
        list.push_str(comma);
        list.push_str(&item);
    }
    let list = Some(list).filter(|list| !list.is_empty())?;
    HeaderValue::try_from(list).ok()
}

/// What a limit is called, after so many without a name.
fn name<'a>(limit: &'a Limit, unnamed: &mut usize) -> Cow<'a, str> {
    if let Some(name) = &limit.name {
        return Cow::Borrowed(name);
    }
    *unnamed += 1;
    match *unnamed {
        1 => Cow::Borrowed(UNNAMED),
        number => Cow::Owned(format!("{UNNAMED}-{number}")),
    }
}

fn with(item: Item, key: &KeyRef, number: Option<u64>) -> Item {
    let number = number.and_then(|number| Integer::try_from(number.min(MAX_INTEGER)).ok());
    match number {
        Some(number) => item.parameter(key, number),
        None => item,
    }
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs()
        .saturating_add(u64::from(time.subsec_nanos() > 0))
}
