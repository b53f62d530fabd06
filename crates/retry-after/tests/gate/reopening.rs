//! How a gate opens again: never early, never all at once, and never in step with another.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tower::Layer;
use tower_throttle_retry_after::{Gate, RetryAfterLayer};

use crate::world::{Server, ask, drain, hear, ms, now, secs, seeded, wait};

const PAUSE: Duration = secs(8);
/// A quarter of the pause.
const SPREAD: Duration = secs(2);

/// When so many requests pass, from the end of the pause.
fn passes(gate: &mut Gate, requests: usize) -> Vec<Duration> {
    let start = now();
    hear(gate, PAUSE, start);
    let end: Instant = start + PAUSE;
    let passes = drain(gate, requests, start).into_iter();
    passes
        .map(|at| at.checked_duration_since(end).expect("before the end"))
        .collect()
}

fn mean(durations: impl ExactSizeIterator<Item = Duration>) -> Duration {
    let count = u32::try_from(durations.len()).unwrap();
    durations.sum::<Duration>() / count
}

#[test]
fn the_first_passes_anywhere_in_the_spread() {
    let firsts: Vec<_> = (0..1000)
        .map(|seed| passes(&mut seeded(seed), 1)[0])
        .collect();
    assert!(firsts.iter().all(|first| *first < SPREAD));
    for tenth in 0..10 {
        let range = SPREAD * tenth / 10..SPREAD * (tenth + 1) / 10;
        let hits = firsts.iter().filter(|first| range.contains(first)).count();
        // Binomial(1000, 0.1) is within 100 ± 50 with probability 1 − 10⁻⁷.
        assert!((50..150).contains(&hits), "{tenth}: {hits}");
    }
}

#[test]
fn a_long_pause_is_spread_over_ten_seconds_at_most() {
    for seed in 0..100 {
        let (mut gate, t0) = (seeded(seed), now());
        gate.pause(secs(3600), t0);
        assert!(gate.resume_at(t0).unwrap() <= t0 + secs(3610));
    }
}

// Guards against a herd: whoever waits for the same instant comes back at it.
#[test]
fn a_hundred_who_wait_leave_one_by_one_and_faster_and_faster() {
    for seed in 0..100 {
        let passes = passes(&mut seeded(seed), 100);
        assert!(passes.windows(2).all(|pair| pair[0] < pair[1]));
        let since_first: Vec<_> = passes.iter().map(|at| *at - passes[0]).collect();
        let within = |time| since_first.iter().filter(|at| **at <= time).count();
        assert!(within(SPREAD / 20) <= 2, "{:?}", &since_first[..5]);
        assert!(within(SPREAD / 4) <= 30, "{seed}: {}", within(SPREAD / 4));
        assert_eq!(within(SPREAD), 100);
    }
}

#[test]
fn a_full_line_is_through_in_about_one_more_spread() {
    for (requests, share) in [(10, 0.36), (100, 0.65), (1024, 0.94)] {
        let times = (0..200).map(|seed| {
            let passes = passes(&mut seeded(seed), requests);
            passes[requests - 1] - passes[0]
        });
        let mean = mean(times.collect::<Vec<_>>().into_iter()).div_duration_f64(SPREAD);
        assert!((mean - share).abs() < 0.02, "{requests}: {mean}");
    }
}

#[test]
fn a_crowd_of_any_size_is_spread_and_does_not_leave_at_the_end_at_once() {
    let passes = passes(&mut seeded(7), 100_000);
    let most = (0..passes.len()).map(|first| {
        let soon = passes[first] + ms(10);
        passes[first..].partition_point(|at| *at <= soon)
    });
    // Eight times as fast as evenly: one spread has 200 × 10 ms.
    assert!(most.max().unwrap() <= 100_000 * 10 / 200);
}

#[test]
fn the_gaps_are_drawn_one_by_one() {
    let passes = passes(&mut seeded(7), 100);
    let gaps = passes.windows(2).map(|pair| pair[1] - pair[0]);
    let even = (1..).map(|released| SPREAD / 8 / released);
    let draws: Vec<_> = gaps
        .zip(even)
        .map(|(gap, even)| gap.div_duration_f64(even))
        .collect();
    assert!(
        draws.iter().all(|draw| (0.5..1.5).contains(draw)),
        "{draws:?}"
    );
    let long = draws.iter().filter(|draw| **draw > 1.0).count();
    assert!((30..70).contains(&long), "{long}");
}

#[test]
fn a_short_word_at_the_end_of_a_long_pause_leaves_the_spread_as_it_is() {
    let (mut gate, start) = (seeded(7), now());
    hear(&mut gate, secs(40), start);
    hear(&mut gate, secs(1), start + ms(39_500));
    let passes = drain(&mut gate, 2, start);
    assert!(passes[1] - passes[0] >= secs(10) / 8 / 2);
}

#[test]
fn two_gates_do_not_open_in_step() {
    let (a, b) = (passes(&mut seeded(1), 100), passes(&mut seeded(2), 100));
    assert!(a.iter().all(|at| !b.contains(at)));
    let (first, second) = (Gate::new().cap(secs(60)), Gate::new().cap(secs(60)));
    let [a, b] = [first, second].map(|mut gate| passes(&mut gate, 1)[0]);
    assert_ne!(a, b);
}

#[test]
fn those_who_come_while_it_opens_are_held_back_even_if_nobody_was_waiting() {
    let (mut gate, start) = (seeded(7), now());
    hear(&mut gate, PAUSE, start);
    let first = drain(&mut gate, 1, start)[0];
    let later = first + SPREAD / 2;
    let passes = drain(&mut gate, 3, later);
    assert_eq!(passes[0], later);
    assert!(passes[0] < passes[1] && passes[1] < passes[2]);
}

#[test]
fn it_is_wide_open_once_the_spread_is_over_and_nobody_waits() {
    let (mut gate, start) = (seeded(7), now());
    hear(&mut gate, PAUSE, start);
    let last = *drain(&mut gate, 100, start).last().unwrap();
    let later = last + SPREAD;
    assert_eq!(drain(&mut gate, 100, later), [later; 100]);
}

#[test]
fn a_gate_that_nobody_asked_for_long_is_wide_open() {
    let (mut gate, start) = (seeded(7), now());
    hear(&mut gate, PAUSE, start);
    let later = start + PAUSE + 2 * SPREAD;
    assert_eq!(drain(&mut gate, 100, later), [later; 100]);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_queued_requests_reach_the_server_after_the_word_and_apart() {
    let start = now();
    let server = Server::saying([wait("8")]);
    let service = RetryAfterLayer::new().seed(7).layer(server.service());
    ask(&service).await.unwrap();
    let answers = join_all((0..100).map(|_| ask(&service))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == 200));

    let asked = &server.asked(start)[1..];
    assert_eq!(asked.len(), 100);
    assert!(
        asked.iter().all(|at| (8000..12_000).contains(at)),
        "{asked:?}"
    );
    // The clock ticks in milliseconds, and the last hundredth of the spread is 20 of them.
    let at_once = asked.chunk_by(|a, b| a == b).map(<[_]>::len).max();
    assert!(at_once <= Some(5), "{at_once:?}: {asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_still_says_wait_is_asked_by_few() {
    let start = now();
    let server = Server::saying([wait("8"), wait("8")]);
    let service = RetryAfterLayer::new().seed(7).layer(server.service());
    ask(&service).await.unwrap();
    join_all((0..100).map(|_| ask(&service))).await;
    let asked = server.asked(start);
    let early = asked.iter().filter(|at| **at < 16_000).count();
    assert_eq!((asked[0], early), (0, 2), "{asked:?}");
}
