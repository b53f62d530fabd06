use std::time::Duration;

use super::reading::Reading;

/// A limit that a server disclosed: a quota, what is left of it, and when it is full again.
///
/// What the server didn't say, or said in a way that makes no sense (a negative number, a word), is
/// `None`: unknown, not zero.
///
/// A server that wants to disclose its own limits fills one in and hands it to
/// [`emit`](crate::emit):
///
/// ```
/// use std::time::Duration;
/// use tower_throttle_retry_after::{Limit, emit};
///
/// let mut limit = Limit::named("burst");
/// limit.limit = Some(100);
/// limit.remaining = Some(0);
/// limit.reset = Some(Duration::from_millis(29_500));
/// limit.window = Some(Duration::from_secs(60));
///
/// assert_eq!(emit::rate_limit([&limit]).unwrap(), r#""burst";r=0;t=30"#);
/// assert_eq!(emit::rate_limit_policy([&limit]).unwrap(), r#""burst";q=100;w=60"#);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Limit {
    /// What the server calls it: `tokens`, `burst`. `None` for *the* limit.
    pub name: Option<String>,
    /// The quota: what may be used per window. 0 together with nothing remaining is how some servers
    /// say that there are too many requests in flight: don't divide by it.
    pub limit: Option<u64>,
    /// What is left, rounded down. May exceed the limit, where credit can be saved up.
    pub remaining: Option<u64>,
    /// When it is replenished, from when the response arrived. [`Duration::MAX`] if that is more than
    /// fits.
    pub reset: Option<Duration>,
    /// The time that the quota is for. Never zero.
    pub window: Option<Duration>,
    /// What is counted, if it isn't requests: `tokens`, `content-bytes`, `concurrent-requests`.
    pub unit: Option<String>,
    /// The fraction that is used up, from servers that say this instead of counts. 1 is all of it.
    pub utilization: Option<f64>,
    pub(crate) used: Option<u64>,
    pub(crate) reading: Option<Reading>,
    pub(crate) guessed: bool,
}

impl Limit {
    /// A limit of this name that says nothing yet.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Whether there is nothing left: nothing remaining, or all of it used.
    #[must_use]
    pub fn exhausted(&self) -> bool {
        self.remaining == Some(0) || self.utilization.is_some_and(|used| used >= 1.0)
    }

    /// How [`reset`](Self::reset) was read.
    #[must_use]
    pub fn provenance(&self) -> Option<&Reading> {
        self.reading.as_ref()
    }

    /// Whether this was picked out of a malformed `RateLimit` field as the last resort, or what is known
    /// of its window out of a malformed `RateLimit-Policy`. Such a limit may hold requests back, but nobody should go faster because of it.
    #[must_use]
    pub fn is_last_resort(&self) -> bool {
        self.guessed
    }

    /// For how long nothing should be sent if it is exhausted.
    pub(crate) fn until_reset(&self) -> Option<Duration> {
        let guard = self.provenance().map_or(Duration::ZERO, Reading::guard);
        Some(self.reset?.saturating_add(guard))
    }

    /// Whether it is requests that are counted.
    #[must_use]
    pub(crate) fn counts_requests(&self) -> bool {
        self.unit.as_deref().is_none_or(|unit| unit == "requests")
    }

    /// Whether it says anything that a client can use.
    pub(crate) fn says_something(&self) -> bool {
        self.limit.is_some()
            || self.remaining.is_some()
            || self.reset.is_some()
            || self.utilization.is_some()
    }

    /// A quota without a name is called by what it says: `100/60s`.
    pub(crate) fn unnamed_policy(quota: u64, window: Option<Duration>) -> Self {
        let name = match window {
            Some(window) => format!("{quota}/{}s", window.as_secs()),
            None => quota.to_string(),
        };
        Self {
            limit: Some(quota),
            window,
            ..Self::named(name)
        }
    }

    pub(crate) fn set_reset(&mut self, reading: Reading) {
        self.reset = Some(reading.wait());
        self.reading = Some(reading);
    }

    /// Whether the two may be one limit, told twice.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        fn agree(a: Option<u64>, b: Option<u64>) -> bool {
            a.is_none() || b.is_none() || a == b
        }
        self.name == other.name
            && agree(self.limit, other.limit)
            && agree(self.remaining, other.remaining)
    }

    /// Adds what `other` knows beyond this. The tighter of two values counts, as the later reset does.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.limit = self.limit.or(other.limit);
        self.remaining = self.remaining.or(other.remaining);
        self.window = self.window.max(other.window);
        self.used = self.used.max(other.used);
        let used = [self.utilization, other.utilization];
        self.utilization = used.into_iter().flatten().reduce(f64::max);
        if other.reset > self.reset {
            self.reset = other.reset;
            self.reading = other.reading;
        }
    }
}

/// The limit that holds a client back the most.
///
/// The exhausted one with the latest reset; else the one with the smallest part of its quota
/// remaining; else the first.
pub(crate) fn binding(limits: &[Limit]) -> Option<&Limit> {
    let exhausted = limits.iter().filter(|limit| limit.exhausted());
    first_max(exhausted, |a, b| a.reset > b.reset)
        .or_else(|| {
            let counted = limits.iter().filter(|limit| part_left(limit).is_some());
            first_max(counted, less_left)
        })
        .or_else(|| limits.first())
}

/// The first of those that no other is better than.
fn first_max<'a>(
    limits: impl Iterator<Item = &'a Limit>,
    better: impl Fn(&Limit, &Limit) -> bool,
) -> Option<&'a Limit> {
    limits.reduce(|best, limit| if better(limit, best) { limit } else { best })
}

fn part_left(limit: &Limit) -> Option<(u128, u128)> {
    let quota = limit.limit.filter(|quota| *quota > 0)?;
    Some((u128::from(limit.remaining?), u128::from(quota)))
}

fn less_left(a: &Limit, b: &Limit) -> bool {
    match (part_left(a), part_left(b)) {
        (Some((a, quota_a)), Some((b, quota_b))) => a * quota_b < b * quota_a,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(remaining: Option<u64>, quota: Option<u64>, reset: Option<u64>) -> Limit {
        Limit {
            remaining,
            limit: quota,
            reset: reset.map(Duration::from_secs),
            ..Limit::default()
        }
    }

    #[test]
    fn an_exhausted_limit_binds_and_the_latest_reset_among_them() {
        let limits = [
            limit(Some(1), Some(1000), Some(9000)),
            limit(Some(0), None, None),
            limit(Some(0), Some(5), Some(3)),
            limit(Some(0), Some(7), Some(3)),
        ];
        assert_eq!(binding(&limits), Some(&limits[2]));
    }

    #[test]
    fn else_the_one_with_the_smallest_part_left_binds_and_else_the_first() {
        let limits = [
            limit(Some(7), None, None),
            limit(Some(u64::MAX - 1), Some(u64::MAX), None),
            limit(Some(50), Some(60), None),
            limit(Some(5), Some(6), None),
        ];
        assert_eq!(binding(&limits), Some(&limits[2]));
        assert_eq!(binding(&limits[..1]), Some(&limits[0]));
        assert_eq!(binding(&[]), None);
    }
}
