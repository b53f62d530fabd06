//! Bare admission: one thread, and a token whenever it asks.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use governor::{Quota, RateLimiter, clock::MonotonicClock};

use crate::{
    args::{Effort, Group},
    ours,
    report::Row,
    rounds::{Subject, interleave},
    stats::{least, median, paired},
};

/// So many a second that none is ever missing: one each nanosecond.
pub(crate) const PLENTY: u32 = 1_000_000_000;

const CLOCK: &str = "Instant::now";

/// Nanoseconds that it takes to read the clock.
pub(crate) fn clock(effort: &Effort) -> f64 {
    let mut clock = [Subject::repeated(CLOCK, Instant::now)];
    median(interleave(&mut clock, effort.rounds, effort.batch).concat())
}

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let mut subjects = peers();
    subjects.extend(ours::admission());
    let allocations: Vec<_> = subjects.iter_mut().map(Subject::allocations).collect();
    let samples = interleave(&mut subjects, effort.rounds, effort.batch);
    let clock = &samples[0];
    let row = |i: usize| {
        Row::new(Group::Admission, "token available", subjects[i].name)
            .ns(median(samples[i].iter().copied()))
            .ratio(paired(&samples[i], clock, |a, b| a / b), CLOCK)
            .allocs(Some(allocations[i]))
            .figure("ns_min", least(&samples[i]))
    };
    (0..subjects.len()).map(row).collect()
}

fn peers() -> Vec<Subject> {
    vec![
        Subject::repeated(CLOCK, Instant::now),
        governor_quanta(),
        governor_monotonic(),
        leaky_bucket("leaky-bucket", true),
        leaky_bucket("leaky-bucket, unfair", false),
        ratelimit(),
    ]
}

fn governor_quanta() -> Subject {
    let limiter = RateLimiter::direct(plenty());
    Subject::repeated("governor, quanta clock", move || limiter.check().is_ok())
}

fn governor_monotonic() -> Subject {
    let limiter = RateLimiter::direct_with_clock(plenty(), MonotonicClock);
    Subject::repeated("governor, std clock", move || limiter.check().is_ok())
}

pub(crate) fn plenty() -> Quota {
    Quota::per_second(NonZeroU32::new(PLENTY).expect("not zero"))
}

fn leaky_bucket(name: &'static str, fair: bool) -> Subject {
    let tokens = usize::MAX >> 4;
    let limiter = leaky_bucket::RateLimiter::builder()
        .fair(fair)
        .max(tokens)
        .initial(tokens)
        .interval(Duration::from_millis(100))
        .build();
    Subject::repeated(name, move || limiter.try_acquire(1))
}

fn ratelimit() -> Subject {
    let limiter = ratelimit::Ratelimiter::builder(u64::from(PLENTY))
        .initial_available(u64::from(PLENTY))
        .build()
        .expect("as many tokens as fit");
    Subject::repeated("ratelimit", move || limiter.try_wait().is_ok())
}
