use std::time::Duration;

use crate::{
    random::Random,
    time::{LONGEST, interval},
};

/// A pause is at least this long from the second refusal on.
const SHORTEST: Duration = Duration::from_millis(200);

/// Waits below this are what rounding makes of them: a server that counts in whole seconds says 1 for
/// whatever is left of the second.
pub(crate) const ROUNDED: Duration = Duration::from_secs(2);

/// For how long nobody is sent after the `count`-th refusal in a row at a rate.
///
/// Without a word from the server: one interval, then doubling, up to a quarter of the window. With a
/// word: that long, and then a part of the interval, at random. All who were refused have heard the
/// same word, and would otherwise return in step.
///
/// A word that may be mere rounding counts from the second refusal on, and not if it is more than half
/// a window: with windows of a second, everybody would lose all of the next one to each refusal.
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
        Some(asked) if asked >= ROUNDED || count >= 2 && asked <= window / 2 => {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const WINDOW: Duration = Duration::from_secs(10);

    fn after(count: u32, rate: f64, asked: Option<u64>) -> (Duration, Duration) {
        let mut random = Random::new(Some(1));
        let asked = asked.map(Duration::from_secs);
        let draws = (0..200).map(|_| pause(count, rate, WINDOW, asked, &mut random));
        let draws: Vec<_> = draws.collect();
        let ends = draws.iter().min().zip(draws.iter().max());
        ends.map(|(least, most)| (*least, *most)).unwrap()
    }

    #[test]
    fn the_first_refusal_costs_one_interval() {
        let interval = Duration::from_millis(100);
        assert_eq!(after(1, 10.0, None), (interval, interval));
    }

    #[test]
    fn further_refusals_double_it_up_to_a_quarter_of_the_window() {
        let ms = Duration::from_millis;
        let (least, most) = after(2, 100.0, None);
        assert!(least >= ms(300) && least < ms(320), "{least:?}");
        assert!(most <= ms(500) && most > ms(480), "{most:?}");
        assert_eq!(after(30, 100.0, None), (ms(2500), ms(2500)));
        assert_eq!(after(u32::MAX, 0.1, None).1, ms(10_000));
    }

    #[test]
    fn a_word_of_the_server_is_kept_to_and_those_who_heard_it_are_spread() {
        let ms = Duration::from_millis;
        for (count, asked) in [(1, 2), (2, 1), (9, 30)] {
            let (least, most) = after(count, 10.0, Some(asked));
            assert!(least >= ms(asked * 1000) && most < ms(asked * 1000 + 100));
            assert!(most - least > ms(90));
        }
        let (_, most) = after(1, 0.01, Some(2));
        assert!(most < ms(7000), "half a window at most: {most:?}");
    }

    fn asked(count: u32, window: Duration, retry_after: Duration) -> Duration {
        pause(
            count,
            20.0,
            window,
            Some(retry_after),
            &mut Random::new(Some(1)),
        )
    }

    #[test]
    fn a_wait_of_a_second_counts_from_the_second_refusal_on() {
        assert_eq!(asked(1, 10 * SECOND, SECOND), SECOND / 20);
        assert!(asked(2, 10 * SECOND, SECOND) >= SECOND);
        assert!(asked(1, 10 * SECOND, 2 * SECOND) >= 2 * SECOND);
    }

    // Clients of a server with windows of a second, which it rounds up to `Retry-After: 1`, sat out the
    // whole next window after each refusal: 8 of them used 70 % of the quota instead of 98 %.
    #[test]
    fn a_wait_of_a_second_is_no_reason_to_sit_out_a_window_of_a_second() {
        for count in 1..10 {
            assert!(asked(count, SECOND, SECOND) <= SECOND / 4, "{count}");
        }
        assert!(asked(2, SECOND, 2 * SECOND) >= 2 * SECOND);
    }
}
