use std::time::Duration;

use crate::{
    random::Random,
    time::{LONGEST, interval},
};

/// A pause is at least this long from the second refusal on.
const SHORTEST: Duration = Duration::from_millis(200);

/// A server that asks for less than this has a token bucket, say, and rounds up to whole seconds: it
/// needs no spreading of those who come back.
const WORTH_SPREADING: Duration = Duration::from_secs(2);

/// For how long nobody is sent after the `count`-th refusal in a row at a rate.
///
/// Without a word from the server: one interval, then doubling, up to a quarter of the window. With a
/// word: that long, and then a part of the interval, at random. All who were refused have heard the
/// same word, and would otherwise return in step.
///
/// `count` is at least 1.
pub(crate) fn pause(
    count: u32,
    rate: f64,
    window: Duration,
    retry_after: Option<Duration>,
    random: &mut Random,
) -> Duration {
    let interval = interval(rate);
    match retry_after {
        Some(asked) if asked >= WORTH_SPREADING || count >= 2 => {
            asked.saturating_add(random.part_of(interval.min(window / 2)))
        }
        _ if count <= 1 => interval,
        _ => {
            let doubled = interval
                .max(SHORTEST)
                .saturating_mul(2_u32.saturating_pow(count - 1))
                .min(LONGEST);
            let longest = (window / 4).max(interval);
            doubled.mul_f64(random.between(0.75, 1.25)).min(longest)
        }
    }
}
