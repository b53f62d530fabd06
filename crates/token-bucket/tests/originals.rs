//! What others got wrong, measured in their code, and what happens here instead.
//!
//! *stkai*, *techrevati* and *khive* are the Python systems that this suite covers; the others are
//! crates and articles. Each test names whose bug it guards against.

use std::time::{Duration, Instant};

use tower_throttle_core::{Limiter, Wait};
use tower_throttle_token_bucket::{OverBurst, Rate, SlidingWindow, TokenBucket};

const SECOND: Duration = Duration::from_secs(1);

#[expect(
    clippy::disallowed_methods,
    reason = "some instant is needed to begin with"
)]
fn origin() -> Instant {
    Instant::now()
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// When requests that come at these milliseconds, with these costs, pass one after the other.
fn served<L: Limiter<Cost = u32>>(
    mut limiter: L,
    t0: Instant,
    line: impl IntoIterator<Item = (u64, u32)>,
) -> Vec<Duration> {
    let mut now = t0;
    let mut serve = |(came, cost)| {
        now = now.max(t0 + ms(came));
        if let Wait::Until(at) = limiter.check(&cost, now) {
            now = at;
        }
        assert_eq!(limiter.check(&cost, now), Wait::Now);
        limiter.take(cost, now);
        now - t0
    };
    line.into_iter().map(&mut serve).collect()
}

/// stkai: a rate limiter starts with a full bucket as large as a whole period, so the first period
/// sees twice the quota, and every client of a fleet starts that way.
#[test]
fn how_a_start_bursts_is_a_choice() {
    let t0 = origin();
    let rate = Rate::per(100, 60 * SECOND);
    let first_minute = |bucket: TokenBucket| {
        let times = served(bucket, t0, [(0, 1); 200]);
        times.iter().filter(|at| **at < 60 * SECOND).count()
    };

    assert_eq!(first_minute(TokenBucket::new(rate, t0)), 100);
    assert_eq!(first_minute(TokenBucket::new(rate, t0).burst(100)), 199);
    let empty = TokenBucket::new(rate, t0).burst(100).initial_level(0);
    assert_eq!(first_minute(empty), 99);
}

/// stkai: the sleep is stretched by a random factor after it was compared with the longest wait, so
/// a request may wait for a fifth longer than allowed, or wake too early.
#[test]
fn a_wait_is_as_long_as_it_was_said_to_be() {
    let t0 = origin();
    let mut bucket = TokenBucket::new(Rate::per(33, 60 * SECOND), t0).burst(33);
    bucket.take(33, t0);

    let Wait::Until(due) = bucket.check(&1, t0) else {
        panic!("it is empty");
    };
    assert_eq!(due - t0, Duration::from_nanos(1_818_181_819), "60 s / 33");
    assert_eq!(bucket.check(&1, due), Wait::Now);
}

/// stkai: all that wait compute the same wait, wake together, and all but one wait again: with 45 s
/// as the longest wait, the losers find out after 45 s. Here each is told when it arrives.
#[test]
fn a_hopeless_wait_is_known_on_arrival() {
    let t0 = origin();
    let mut bucket = TokenBucket::new(Rate::per(1, ms(400)), t0);
    bucket.take(1, t0);

    let waits = [0, 1, 2, 3].map(|ahead| bucket.predict(ahead, &1, t0));

    assert_eq!(
        waits,
        [400, 800, 1200, 1600].map(|n| Wait::Until(t0 + ms(n)))
    );
}

/// stkai: the bucket shrinks with its rate; below one request per period it can never hold a token
/// again, and nothing passes any more.
#[test]
fn the_slowest_rate_still_admits() {
    let t0 = origin();
    let mut bucket = TokenBucket::new(Rate::per_minute(10), t0);
    bucket.take(1, t0);

    bucket.set_rate(Rate::per_hour(1), t0);

    assert_eq!(bucket.check(&1, t0), Wait::Until(t0 + 3600 * SECOND));
    assert_eq!(bucket.check(&1, t0 + 3600 * SECOND), Wait::Now);
}

/// khive: whoever is told to wait takes no token and does not ask again: 100 requests at 10/s were
/// through after 0.1 s.
#[test]
fn a_hundred_at_ten_per_second_take_nine_seconds() {
    let t0 = origin();
    let bucket = TokenBucket::new(Rate::per_second(10), t0).burst(10);

    assert_eq!(bucket.predict(99, &1, t0), Wait::Until(t0 + 9 * SECOND));
    assert_eq!(served(bucket, t0, [(0, 1); 100])[99], 9 * SECOND);
}

/// khive: its own example, five operations at 2/s, took 0.5 s.
#[test]
fn five_at_two_per_second_take_as_long_as_the_burst_allows() {
    let t0 = origin();
    let bucket = TokenBucket::new(Rate::per_second(2), t0);

    assert_eq!(
        served(bucket.clone().burst(2), t0, [(0, 1); 5])[4],
        ms(1500)
    );
    assert_eq!(served(bucket, t0, [(0, 1); 5])[4], ms(2000));
}

/// khive: a new rate counted for the time before the change, and a smaller bucket kept what didn't
/// fit. What was saved at the old rate is kept.
#[test]
fn a_change_settles_first_and_clamps() {
    let t0 = origin();
    let bucket = TokenBucket::new(Rate::per_second(10), t0).burst(10);

    let mut slower = bucket.clone().initial_level(0);
    slower.set_rate(Rate::per_second(5), t0 + ms(800));
    assert_eq!(slower.level(t0 + ms(800)), 8);
    assert_eq!(slower.level(t0 + ms(1000)), 9);

    let mut smaller = bucket;
    smaller.set_burst(3, t0).unwrap();
    assert_eq!(smaller.level(t0), 3);
}

/// khive: 20 tokens of a bucket of 5 were granted after 1.5 s. techrevati: the one call says no, the
/// other fails. The bucket of an article: waits for ever.
#[test]
fn more_than_fits_is_refused_at_once_or_borrowed() {
    let t0 = origin();
    let bucket = TokenBucket::new(Rate::per_second(10), t0).burst(5);

    assert_eq!(bucket.check(&20, t0), Wait::Never);
    let times = served(bucket.over_burst(OverBurst::Borrow), t0, [(0, 20), (0, 1)]);
    assert_eq!(times, [ms(0), ms(1600)]);
}

/// The bucket of an article sleeps for the time of one token, whatever it needs.
#[test]
fn a_dearer_request_waits_longer() {
    let t0 = origin();
    let bucket = TokenBucket::new(Rate::per_second(10), t0)
        .burst(5)
        .initial_level(0);

    let waits = [1, 2, 5].map(|cost| bucket.check(&cost, t0));

    assert_eq!(waits, [100, 200, 500].map(|n| Wait::Until(t0 + ms(n))));
}

/// techrevati: a large request starves while small ones keep coming: 8 of 10 tokens were not had in
/// 2.66 s in which the others took 53. In a line it has its turn.
#[test]
fn a_large_request_has_its_turn() {
    let t0 = origin();
    let bucket = TokenBucket::new(Rate::per_second(20), t0)
        .burst(10)
        .initial_level(0);

    let times = served(bucket, t0, [(0, 1), (0, 8), (0, 1)]);

    assert_eq!(times, [ms(50), ms(450), ms(500)]);
}

/// techrevati: 300 input tokens were spent although the 150 output tokens could never be had.
#[test]
fn two_limits_are_all_or_nothing() {
    let t0 = origin();
    let bucket = |burst| TokenBucket::new(Rate::per_second(1), t0).burst(burst);
    let both = (bucket(1000), bucket(100));

    assert_eq!(both.check(&(300, 150), t0), Wait::Never);
    assert_eq!((both.0.level(t0), both.1.level(t0)), (1000, 100));
}

/// techrevati: settling what a call really cost waits after the answer is there, and throws the
/// answer away if it cost more than the bucket holds. A debt delays the next call instead.
#[test]
fn a_call_that_cost_more_than_thought_is_paid_by_the_next() {
    let t0 = origin();
    let mut bucket = TokenBucket::new(Rate::per_second(10), t0).burst(100);

    bucket.take(150, t0);

    assert_eq!(bucket.level(t0), -50);
    assert_eq!(bucket.check(&1, t0), Wait::Until(t0 + ms(5100)));
}

/// techrevati's documentation says that a refill above the capacity makes the limit ineffective.
#[test]
fn a_small_burst_holds_a_high_rate() {
    let t0 = origin();
    let bucket = TokenBucket::new(Rate::per_second(100), t0);

    assert_eq!(served(bucket, t0, [(0, 1); 101])[100], SECOND);
}

/// tower-resilience: `burst(n)` once allowed the rate and `n` more in every period.
#[test]
fn a_burst_adds_nothing_to_the_rate() {
    let t0 = origin();
    let bucket = TokenBucket::new(Rate::per_second(10), t0).burst(5);

    let times = served(bucket, t0, [(0, 1); 25]);

    assert_eq!(times.iter().filter(|at| **at < SECOND).count(), 14);
    assert_eq!(times[24], ms(2000));
}

/// governor rounds the interval down: 3/s are 333.333333 ms apart, and 600 million/s one nanosecond,
/// which is a thousand million.
#[test]
fn no_rate_is_rounded_up() {
    let t0 = origin();
    let thirds = served(
        TokenBucket::new(Rate::per_second(3), t0),
        t0,
        [(0, 1); 3001],
    );
    assert!(thirds[3000] >= 1000 * SECOND);

    let fast = TokenBucket::new(Rate::per_second(600_000_000), t0)
        .burst(1_000_000)
        .initial_level(0);
    assert_eq!(fast.level(t0 + Duration::from_nanos(1000)), 600);
}

/// tower_governor: `per_second(60)` is one request every 60 seconds. aiolimiter: `(60)` is 60 in a
/// minute, whatever the variable is called.
#[test]
fn sixty_per_second_are_sixty_in_a_second() {
    let t0 = origin();
    let bucket = TokenBucket::new(Rate::per_second(60), t0).burst(60);

    assert_eq!(served(bucket, t0, [(0, 1); 120])[119], SECOND);
}

/// GCRA keeps an instant: halving the rate of an empty bucket fills half of it, right after the
/// server said that it is too much.
#[test]
fn halving_the_rate_of_an_empty_bucket_leaves_it_empty() {
    let t0 = origin();
    let mut bucket = TokenBucket::new(Rate::per_second(10), t0).burst(10);
    bucket.take(10, t0);

    bucket.set_rate(Rate::per_second(5), t0);

    assert_eq!(bucket.level(t0), 0);
    assert_eq!(bucket.check(&1, t0), Wait::Until(t0 + ms(200)));
}

/// ratelimit: ten idle seconds at 1/s, then 1000/s: 10 000 tokens at once.
#[test]
fn a_higher_rate_does_not_count_for_the_past() {
    let t0 = origin();
    let mut bucket = TokenBucket::new(Rate::per_second(1), t0)
        .burst(20_000)
        .initial_level(0);

    bucket.set_rate(Rate::per_second(1000), t0 + 10 * SECOND);

    assert_eq!(bucket.level(t0 + 10 * SECOND), 10);
}

/// leaky-bucket refills in steps of a millisecond at least, and panics at a shorter interval. Its
/// balance is that of the last request.
#[test]
fn the_level_is_that_of_this_nanosecond() {
    let t0 = origin();
    let bucket = TokenBucket::new(Rate::per(1, Duration::from_nanos(10)), t0)
        .burst(1000)
        .initial_level(0);

    assert_eq!(bucket.level(t0 + Duration::from_nanos(999)), 99);
}

/// An article's window checks, sleeps and then records: 50 requests passed in a second of a limit of
/// ten. Here what has passed is recorded when it passes.
#[test]
fn a_window_records_what_it_lets_through() {
    let t0 = origin();
    let window = SlidingWindow::new(Rate::per_second(10));

    let times = served(window, t0, [(0, 1); 50]);

    assert_eq!(times.iter().filter(|at| **at < SECOND).count(), 10);
    assert_eq!(times[49], 4 * SECOND);
}

/// tower's `RateLimit`: 19 of 20 requests within 20 ms around the boundary of two windows, at 10/s.
#[test]
fn there_is_no_boundary_around_which_twice_as_many_pass() {
    let t0 = origin();
    let window = SlidingWindow::new(Rate::per_second(10));
    let line = (0..20).map(|n| (990 + n, 1));

    let times = served(window, t0, [(0, 1)].into_iter().chain(line));

    let around = times.iter().filter(|at| (ms(990)..ms(1010)).contains(at));
    assert_eq!(around.count(), 10);
}

#[test]
fn a_window_waits_exactly_until_a_request_is_a_period_old() {
    let t0 = origin();
    let waits = |events, came: &[u64]| {
        let window = SlidingWindow::new(Rate::per_second(events));
        let times = served(window, t0, came.iter().map(|came| (*came, 1)));
        let waits = times.iter().zip(came).map(|(at, came)| *at - ms(*came));
        waits.map(|wait| wait.as_millis()).collect::<Vec<_>>()
    };

    assert_eq!(
        waits(2, &[0, 0, 0, 500, 1000, 1000]),
        [0, 0, 1000, 500, 1000, 1000]
    );
    assert_eq!(waits(1, &[0, 1000, 1999, 2000]), [0, 0, 1, 1000]);
    assert_eq!(waits(3, &[0, 100, 200, 300]), [0, 0, 0, 700]);
}
