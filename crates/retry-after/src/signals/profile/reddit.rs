//! Reddit: a quota per window, paced as PRAW does it (prawcore, `rate_limit.py`).

use std::time::Duration;

use super::{GENERIC, Profile, Vendor};
use crate::signals::limit::Limit;

pub(super) const WINDOW: Duration = Duration::from_secs(600);

/// No request needs to wait longer than this while something remains.
const MAX_WAIT: Duration = Duration::from_secs(10);

pub(super) static VENDOR: Vendor = Vendor { next, ..GENERIC };

/// Spreads what remains: the next request goes when the time left is what the requests left would
/// take if all requests of the window were spread evenly over it.
///
/// ```text
/// next = min(reset - window · remaining / (remaining + used), 10 s), not below 0
/// ```
fn next(profile: &Profile, limits: &[Limit]) -> Option<Duration> {
    let limit = limits.iter().find(|limit| limit.used.is_some())?;
    let (used, left, reset) = (limit.used?, limit.remaining?, limit.reset?);
    let all = u128::from(left) + u128::from(used);
    if left == 0 {
        return Some(reset);
    }
    let window = profile.window.as_nanos().min(u128::from(u64::MAX));
    let share = u64::try_from(window * u128::from(left) / all).unwrap_or(u64::MAX);
    let next = reset.saturating_sub(Duration::from_nanos(share));
    Some(next.min(MAX_WAIT))
}
