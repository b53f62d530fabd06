//! What holds for every setting, however hostile.

use std::time::Duration;

use proptest::prelude::*;
use tower_throttle_jitter::{Backoff, Generator, Jitter};

fn durations() -> impl Strategy<Value = Duration> {
    let any =
        (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos));
    let edges = [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_nanos(u64::MAX),
        Duration::MAX,
    ];
    prop_oneof![
        any,
        (0..u64::MAX).prop_map(Duration::from_nanos),
        (0..100_u64).prop_map(Duration::from_secs),
        (0..100_u64).prop_map(Duration::from_nanos),
        prop::sample::select(edges.to_vec()),
    ]
}

fn upward() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        Just(Jitter::none()),
        Just(Jitter::decorrelated()),
        (0.0..1.0).prop_map(Jitter::upward),
        durations().prop_map(Jitter::additive),
    ]
}

fn jitters() -> impl Strategy<Value = Jitter> {
    let downward = prop_oneof![
        Just(Jitter::full()),
        Just(Jitter::equal()),
        (0.0..1.0).prop_map(Jitter::proportional),
    ];
    prop_oneof![upward(), downward]
}

fn generators() -> impl Strategy<Value = Generator> {
    any::<u64>().prop_map(Generator::seeded)
}

proptest! {
    #[test]
    fn a_delay_lies_within_its_range(jitter in jitters(), base in durations(), mut generator in generators()) {
        prop_assert!(jitter.range(base).contains(&jitter.delay(base, &mut generator)));
    }

    // Guards against the stkai SDK, whose retries came before the time that a server had asked for in half of all cases.
    #[test]
    fn a_wait_that_a_server_asked_for_is_never_cut_short(
        jitter in upward(), wait in durations(), mut generator in generators(),
    ) {
        prop_assert_eq!(*jitter.range(wait).start(), wait);
        prop_assert!(jitter.delay(wait, &mut generator) >= wait);
    }

    #[test]
    fn a_quantity_stays_within_its_share(factor in 0.0..1.0, quantity in 0.0..1e12, mut generator in generators()) {
        let jittered = Jitter::proportional(factor).apply(quantity, &mut generator);
        prop_assert!((quantity * (1.0 - factor) * (1.0 - 1e-15)..=quantity * (1.0 + factor) * (1.0 + 1e-15)).contains(&jittered));
    }

    #[test]
    fn a_factor_is_accepted_from_zero_to_below_one(factor in any::<f64>()) {
        let valid = (0.0..1.0).contains(&factor);
        prop_assert_eq!(Jitter::try_proportional(factor).is_ok(), valid);
        prop_assert_eq!(Jitter::try_upward(factor).is_ok(), valid);
    }

    #[test]
    fn a_growth_is_accepted_from_one_to_below_infinity(factor in any::<f64>()) {
        let valid = factor >= 1.0 && factor.is_finite();
        prop_assert_eq!(Backoff::default().try_factor(factor).is_ok(), valid);
    }

    #[test]
    fn no_delay_exceeds_the_cap(
        jitter in jitters(), base in durations(), cap in durations(), factor in 1.0..f64::MAX, generator in generators(),
    ) {
        let backoff = Backoff::new(base).cap(cap).factor(factor).jitter(jitter).generator(generator);
        prop_assert!(backoff.start().take(50).all(|delay| delay <= cap));
    }

    #[test]
    fn the_ceiling_only_rises_and_ends_at_the_cap(
        base in durations(), cap in durations(), factor in 1.0..10.0, retry in 0..u32::MAX,
    ) {
        let backoff = Backoff::new(base).cap(cap).factor(factor);
        prop_assert_eq!(backoff.ceiling(0), base.min(cap));
        prop_assert!(backoff.ceiling(retry) <= backoff.ceiling(retry + 1));
        prop_assert!(backoff.ceiling(u32::MAX) <= cap);
    }

    #[test]
    fn the_same_seed_gives_the_same_delays(seed in any::<u64>(), jitter in jitters()) {
        let delays = || Backoff::default().jitter(jitter).generator(Generator::seeded(seed)).start().take(20);
        prop_assert!(delays().eq(delays()));
    }
}

#[test]
fn no_jitter_gives_exactly_the_base() {
    let mut generator = Generator::seeded(1);
    for base in [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_secs(1),
        Duration::MAX,
    ] {
        for jitter in [
            Jitter::none(),
            Jitter::proportional(0.0),
            Jitter::proportional(-0.0),
            Jitter::additive(Duration::ZERO),
        ] {
            assert_eq!(jitter.delay(base, &mut generator), base);
        }
    }
    assert_eq!(
        Jitter::proportional(0.0)
            .apply(100.0, &mut generator)
            .to_bits(),
        100.0_f64.to_bits()
    );
}

// Guards against 0 · ∞: the first version made a NaN of an infinite rate, and of a huge one.
#[test]
fn what_is_infinite_stays_so_and_what_is_finite_too() {
    let shapes = [
        Jitter::none(),
        Jitter::full(),
        Jitter::equal(),
        Jitter::decorrelated(),
        Jitter::proportional(0.9),
        Jitter::upward(0.2),
        Jitter::additive(Duration::MAX),
    ];
    for jitter in shapes {
        for unit in [0.0, 0.5, 1.0] {
            for infinite in [f64::INFINITY, f64::NEG_INFINITY] {
                assert_eq!(
                    jitter.at(infinite, unit).to_bits(),
                    infinite.to_bits(),
                    "{jitter:?}"
                );
            }
            for huge in [f64::MAX, f64::MIN] {
                assert!(jitter.at(huge, unit).is_finite(), "{jitter:?}");
            }
        }
        assert!(jitter.at(f64::NAN, 0.5).is_nan());
    }
}

#[test]
fn the_default_is_proportional_by_a_fifth() {
    assert_eq!(Jitter::default(), Jitter::proportional(0.20));
    assert_eq!(
        Jitter::default().at(100.0, 0.0).to_bits(),
        80.0_f64.to_bits()
    );
    assert_eq!(
        Jitter::default().at(100.0, 1.0).to_bits(),
        120.0_f64.to_bits()
    );
}

#[test]
fn every_shape_has_the_published_range() {
    let seconds = Duration::from_secs;
    let range = |jitter: Jitter| jitter.range(seconds(10));
    assert_eq!(range(Jitter::full()), seconds(0)..=seconds(10));
    assert_eq!(range(Jitter::equal()), seconds(5)..=seconds(10));
    assert_eq!(range(Jitter::decorrelated()), seconds(10)..=seconds(30));
    assert_eq!(range(Jitter::proportional(0.2)), seconds(8)..=seconds(12));
    assert_eq!(range(Jitter::upward(0.2)), seconds(10)..=seconds(12));
    assert_eq!(
        range(Jitter::additive(seconds(3))),
        seconds(10)..=seconds(13)
    );
}

#[test]
fn the_ceiling_doubles_from_the_base_to_the_cap() {
    let ceilings = |backoff: &Backoff| {
        [0, 1, 2, 8, 9, u32::MAX].map(|retry| backoff.ceiling(retry).as_millis())
    };
    assert_eq!(
        ceilings(&Backoff::default()),
        [50, 100, 200, 12_800, 20_000, 20_000]
    );
    assert_eq!(ceilings(&Backoff::new(Duration::ZERO)), [0; 6]);
    assert_eq!(
        ceilings(&Backoff::new(Duration::from_secs(1)).factor(1.0)),
        [1_000; 6]
    );
    assert_eq!(ceilings(&Backoff::default().cap(Duration::ZERO)), [0; 6]);
}

#[test]
#[should_panic(expected = "jitter factor is NaN, but must be at least 0 and less than 1")]
fn a_jitter_factor_out_of_range_fails_at_construction() {
    let _ = Jitter::proportional(f64::NAN);
}

#[test]
#[should_panic(expected = "backoff factor is 0.5, but must be at least 1 and finite")]
fn a_backoff_factor_out_of_range_fails_at_construction() {
    let _ = Backoff::default().factor(0.5);
}
