//! What is drawn, judged by its distribution. Every seed is fixed, so a test passes always or never.

use std::{collections::HashSet, ops::RangeInclusive, time::Duration};

use tower_throttle_jitter::{Backoff, Generator, Jitter};

const CELLS: usize = 100;
const DRAWS: usize = 100_000;
/// χ² with 99 degrees of freedom exceeds this with probability 0.001.
const CRITICAL: f64 = 148.23;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Those whose draws lie around the base or below it, with a name for the message.
const SHAPES: [fn() -> Jitter; 4] = [
    Jitter::full,
    Jitter::equal,
    || Jitter::proportional(0.2),
    || Jitter::proportional(0.999),
];

fn backoff(seed: u64) -> Backoff {
    Backoff::default().generator(Generator::seeded(seed))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn chi_square(cells: impl IntoIterator<Item = usize>) -> f64 {
    let mut counts = [0_usize; CELLS];
    let draws = cells.into_iter().map(|cell| counts[cell] += 1).count();
    let expected = draws as f64 / CELLS as f64;
    counts
        .iter()
        .map(|count| (*count as f64 - expected).powi(2) / expected)
        .sum()
}

fn cell_of(delay: Duration, range: &RangeInclusive<Duration>) -> usize {
    let width = (*range.end() - *range.start()).as_nanos() + 1;
    let cell = (delay - *range.start()).as_nanos() * CELLS as u128 / width;
    usize::try_from(cell).unwrap()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the unit is in [0, 1)"
)]
#[expect(clippy::cast_precision_loss, reason = "100 is far below 2^53")]
fn cell_of_unit(unit: f64) -> usize {
    assert!((0.0..1.0).contains(&unit));
    (unit * CELLS as f64) as usize
}

/// Pearson's r times √n: beyond ±4.9 with probability 10⁻⁶ if the pairs are independent.
fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let n = f64::from(u32::try_from(pairs.len()).unwrap());
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|p| of(p.0 - x, p.1 - y)).sum::<f64>();
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt() * n.sqrt()
}

// Guards against tower's backoff, whose jitter counts whole seconds: a base of 1 s is not spread at all, one of
// 4 s takes four values.
#[test]
fn a_base_of_any_length_is_spread_uniformly_to_the_nanosecond() {
    let mut generator = Generator::seeded(1);
    let upward = [
        Jitter::decorrelated(),
        Jitter::upward(0.25),
        Jitter::additive(SECOND),
    ];
    for jitter in SHAPES.map(|shape| shape()).into_iter().chain(upward) {
        for base in [
            MILLISECOND / 10,
            MILLISECOND,
            250 * MILLISECOND,
            SECOND,
            4 * SECOND,
            YEAR,
        ] {
            let range = jitter.range(base);
            let cells = (0..DRAWS).map(|_| cell_of(jitter.delay(base, &mut generator), &range));
            let chi_square = chi_square(cells);
            assert!(
                chi_square < CRITICAL,
                "{jitter:?} of {base:?}: {chi_square}"
            );
        }
    }
}

// The same bug, as seen by one who retries.
#[test]
fn the_first_delays_of_a_backoff_of_whole_seconds_are_uniform() {
    for base in [250 * MILLISECOND, SECOND, 4 * SECOND] {
        let backoff = Backoff::new(base).generator(Generator::seeded(2));
        let cells =
            (0..DRAWS).map(|_| cell_of(backoff.start().next_delay(), &(Duration::ZERO..=base)));
        assert!(chi_square(cells) < CRITICAL, "{base:?}");
    }
}

#[test]
fn the_factor_of_a_proportional_jitter_is_uniform_around_one() {
    let (jitter, mut generator) = (Jitter::default(), Generator::seeded(3));
    let cells = (0..DRAWS).map(|_| cell_of_unit((jitter.next(&mut generator) - 0.8) / 0.4));
    assert!(chi_square(cells) < CRITICAL);
}

// Guards against tower's backoff, whose maker hands each request a copy of one generator, and against the stkai
// SDK, all of whose generators had the seed of the process.
#[test]
fn the_requests_of_one_backoff_are_independent() {
    let backoff = backoff(4);
    let first = |backoff: &Backoff| backoff.start().next_delay().as_secs_f64();
    let pairs: Vec<_> = (0..10_000)
        .map(|_| (first(&backoff), first(&backoff)))
        .collect();
    assert!(correlation(&pairs).abs() < 4.9);
}

#[test]
fn the_clones_of_a_backoff_are_independent() {
    let original = backoff(5);
    let clone = original.clone();
    let first = |backoff: &Backoff| backoff.start().next_delay().as_secs_f64();
    let pairs: Vec<_> = (0..10_000)
        .map(|_| (first(&original), first(&clone)))
        .collect();
    assert!(correlation(&pairs).abs() < 4.9);
}

#[test]
fn the_retries_of_one_request_are_independent() {
    let backoff = backoff(6);
    let two = |_| {
        let mut delays = backoff.start();
        (
            delays.next_delay().as_secs_f64(),
            delays.next_delay().as_secs_f64(),
        )
    };
    let pairs: Vec<_> = (0..10_000).map(two).collect();
    assert!(correlation(&pairs).abs() < 4.9);
}

// Guards against backon, which adds its jitter to the capped delay: 100 of 100 seeds exceeded `max_delay`.
#[test]
fn no_draw_exceeds_the_cap() {
    let cap = 20 * SECOND;
    let upward = [
        Jitter::none(),
        Jitter::decorrelated(),
        Jitter::upward(0.999),
        Jitter::additive(YEAR),
    ];
    for jitter in SHAPES.map(|shape| shape()).into_iter().chain(upward) {
        let backoff = backoff(7).jitter(jitter);
        let delays = (0..1_000).flat_map(|_| backoff.start().take(100));
        assert_eq!(delays.filter(|delay| *delay > cap).count(), 0, "{jitter:?}");
    }
}

// Capping what was drawn would leave half of all proportional delays at the cap itself, in step.
#[test]
fn clients_that_reached_the_cap_still_differ() {
    for jitter in SHAPES.map(|shape| shape()) {
        let backoff = backoff(8).jitter(jitter);
        let capped: HashSet<_> = (0..1_000).map(|_| backoff.start().nth(20)).collect();
        assert_eq!(capped.len(), 1_000, "{jitter:?}");
    }
}

#[test]
fn a_decorrelated_backoff_draws_between_the_base_and_three_times_the_previous() {
    let base = 50 * MILLISECOND;
    let backoff = backoff(9).jitter(Jitter::decorrelated());
    let cells = (0..DRAWS / 5).flat_map(|_| {
        let mut previous = base;
        let cell =
            move |delay| cell_of(delay, &(base..=3 * std::mem::replace(&mut previous, delay)));
        backoff.start().take(5).map(cell)
    });
    assert!(chi_square(cells) < CRITICAL);
}

#[test]
fn a_decorrelated_backoff_is_capped_after_the_draw() {
    let (base, cap) = (SECOND, 2 * SECOND);
    let backoff = Backoff::new(base)
        .cap(cap)
        .jitter(Jitter::decorrelated())
        .generator(Generator::seeded(10));
    let first: Vec<_> = (0..10_000).map(|_| backoff.start().next_delay()).collect();
    let at_cap = first.iter().filter(|delay| **delay == cap).count();
    // U[1 s, 3 s] is above 2 s in half of all draws; five standard deviations are 250.
    assert!((4_750..=5_250).contains(&at_cap), "{at_cap}");
}
