//! Requests that pass while nobody waits, by an atomic number and not by the lock, come to the same.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::advance;
use tower_throttle_core::{Limiter, Wait, now};
use tower_throttle_token_bucket::{OverBurst, Rate, SharedBucket, TokenBucket};

const SECOND: Duration = Duration::from_secs(1);

fn take_all(bucket: &SharedBucket) -> u32 {
    let mut taken = 0;
    while bucket.try_acquire(1).map(|permit| permit.spend()).is_ok() {
        taken += 1;
    }
    taken
}

/// The interval of 999 999 per second was rounded up, the time until the bucket is full was not:
/// 998 tokens passed that were not there.
#[tokio::test(start_paused = true)]
async fn an_empty_bucket_is_empty_whatever_its_rate() {
    let rates = [3, 7, 999_983, 999_999, 1_000_000].map(Rate::per_second);
    for rate in rates {
        let bucket = SharedBucket::new(rate).burst(1_000_000).initial_level(0);
        assert_eq!(take_all(&bucket), 0, "at {rate}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_larger_burst_adds_no_tokens() {
    let bucket = SharedBucket::new(Rate::per_second(6));
    bucket.set_burst(u32::MAX).unwrap();
    assert_eq!(take_all(&bucket), 1);
}

/// A bucket that takes 400 years to fill: the time was cut to 292, and a billion tokens appeared.
#[tokio::test(start_paused = true)]
async fn a_bucket_that_takes_centuries_to_fill_counts_right() {
    let bucket = SharedBucket::new(Rate::per_minute(20))
        .burst(u32::MAX)
        .initial_level(0);
    advance(3 * SECOND).await;
    bucket.try_acquire(1).unwrap().spend();
    assert_eq!(bucket.available(), 0);
}

/// It was −1: the lane charged a nanosecond more than the token takes.
#[tokio::test(start_paused = true)]
async fn what_was_taken_one_by_one_is_no_debt() {
    let bucket = SharedBucket::new(Rate::per_second(3))
        .burst(3)
        .max_wait(SECOND);
    assert_eq!(take_all(&bucket), 3);
    assert_eq!(bucket.available(), 0);
    bucket.acquire(3).await.unwrap().spend();
}

/// The bucket of a tenant counted from when its template was made.
#[tokio::test(start_paused = true)]
async fn a_limiter_made_from_a_template_starts_when_it_is_made() {
    let template = SharedBucket::new(Rate::per_second(1));
    advance(10 * SECOND).await;
    assert_eq!(template.clone().burst(10).initial_level(0).available(), 0);
}

#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    Take(u32),
    SetRate(Rate),
    SetBurst(u32),
}

fn rates() -> impl Strategy<Value = Rate> {
    let events = prop_oneof![1_u32..20, 1_u32..2_000_000];
    let millis = prop_oneof![Just(1000_u64), 1_u64..100_000];
    (events, millis).prop_map(|(events, ms)| Rate::per(events, Duration::from_millis(ms)))
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0_u64..20_000_000_000).prop_map(Event::Pass),
        6 => prop_oneof![0_u32..5, 0_u32..1000].prop_map(Event::Take),
        1 => rates().prop_map(Event::SetRate),
        1 => (1_u32..2000).prop_map(Event::SetBurst),
    ]
}

proptest! {
    #[test]
    fn by_the_lane_and_by_the_lock_it_is_the_same_bucket(
        rate in rates(),
        burst in 1_u32..2000,
        level in 0_u32..2000,
        borrow: bool,
        events in prop::collection::vec(events(), 1..60),
    ) {
        let over = if borrow { OverBurst::Borrow } else { OverBurst::Refuse };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let shape = |bucket: TokenBucket| bucket.burst(burst).initial_level(level).over_burst(over);
            let mut pure = shape(TokenBucket::new(rate, now()));
            let shared = SharedBucket::new(rate).burst(burst).initial_level(level).over_burst(over);
            for event in events {
                match event {
                    Event::Pass(nanos) => advance(Duration::from_nanos(nanos)).await,
                    Event::Take(cost) => {
                        let passes = pure.check(&cost, now()) == Wait::Now;
                        if passes {
                            pure.take(cost, now());
                        }
                        let taken = shared.try_acquire(cost).map(|permit| permit.spend());
                        prop_assert_eq!(taken.is_ok(), passes, "cost {}", cost);
                    }
                    Event::SetRate(rate) => {
                        pure.set_rate(rate, now());
                        shared.set_rate(rate);
                    }
                    Event::SetBurst(burst) => {
                        pure.set_burst(burst, now()).unwrap();
                        shared.set_burst(burst).unwrap();
                    }
                }
                // Looks now and then only: each look closes the lane.
                if matches!(event, Event::Pass(nanos) if nanos % 3 == 0) {
                    prop_assert_eq!(shared.available(), pure.level(now()));
                }
            }
            prop_assert_eq!(shared.available(), pure.level(now()));
            Ok(())
        })?;
    }
}
