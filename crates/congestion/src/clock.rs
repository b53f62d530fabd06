//! Where the adapter reads the clock of the wall.

use std::time::{Duration, Instant, SystemTime};

use tower_throttle_core::now;

/// How long after each other such instants are: all dates of probes recur with that.
const PERIOD: Duration = Duration::from_secs(122_880);

/// An instant for [`Gradient::meeting`](crate::Gradient::meeting) that is the same in all processes and on
/// all hosts, as far as their clocks agree: the last multiple of 122,880 s since the Unix epoch.
///
/// [`CongestionLayer::new`](crate::CongestionLayer::new) and
/// [`SharedCongestion::new`](crate::SharedCongestion::new) use it.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "a date that hosts agree on can't be had from a clock that each has for itself"
)]
pub fn meeting() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    let now = now();
    // Where instants can't lie before the start of the machine, a later one will do.
    let at = (0..10).find_map(|halvings| now.checked_sub(into(since, PERIOD / (1 << halvings))));
    at.unwrap_or(now)
}

/// How much of the present period is over.
fn into(since: Duration, period: Duration) -> Duration {
    let nanos = since.as_nanos() % period.as_nanos();
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "what is read of the clock of the wall is compared with it"
)]
mod tests {
    use super::*;

    fn since_epoch() -> Duration {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.expect("it is later than that")
    }

    /// Whenever it is asked for: the clock of the wall says the same multiple of the period, or of half of it …
    #[test]
    fn a_meeting_is_at_a_multiple_of_the_period_by_the_clock_of_the_wall() {
        let (start, since) = (now(), since_epoch());
        let meeting = meeting();
        let took = start.elapsed() + Duration::from_millis(10);
        let least = PERIOD / (1 << 9);
        if start.checked_sub(least).is_none() {
            return; // This machine has only just been started, and knows no instant that is earlier.
        }
        let past = into(since + took - start.duration_since(meeting), least);
        assert!(
            past <= 2 * took,
            "{past:?} past a multiple, within {took:?}"
        );
    }
}
