//! What holds whatever the server says, and whenever.

#[path = "gate/world.rs"]
mod world;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tower_throttle_core::{Limiter, Wait};
use tower_throttle_jitter::Jitter;
use tower_throttle_retry_after::{Gate, OverCap};

use self::world::{hear, now, seeded};

#[derive(Debug, Clone)]
enum Step {
    Word(Duration),
    ByHand(Duration),
    Take,
    GiveBack,
    Wait(Duration),
    Back(Duration),
}

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..3_000_u64).prop_map(Duration::from_millis),
        (0..300_u64).prop_map(Duration::from_secs),
        any::<Duration>(),
        Just(Duration::ZERO),
        Just(Duration::MAX),
    ]
}

fn short_duration() -> impl Strategy<Value = Duration> {
    (0..10_000_000_000_u64).prop_map(Duration::from_nanos)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any_duration().prop_map(Step::Word),
        any_duration().prop_map(Step::ByHand),
        Just(Step::Take),
        Just(Step::Take),
        Just(Step::GiveBack),
        short_duration().prop_map(Step::Wait),
        short_duration().prop_map(Step::Wait),
        short_duration().prop_map(Step::Back),
    ]
}

fn any_gate() -> impl Strategy<Value = (Gate, Duration, OverCap)> {
    let over_cap = prop_oneof![
        Just(OverCap::Surface),
        Just(OverCap::Clamp),
        Just(OverCap::Honor)
    ];
    let jitter = prop_oneof![
        Just(Jitter::none()),
        (0.0..0.999).prop_map(Jitter::upward),
        any_duration().prop_map(Jitter::additive),
    ];
    let settings = (
        any::<u64>(),
        any_duration(),
        over_cap,
        jitter,
        any_duration(),
    );
    settings.prop_map(|(seed, cap, over_cap, jitter, max_spread)| {
        let gate = seeded(seed).cap(cap).over_cap(over_cap);
        (gate.jitter(jitter).max_spread(max_spread), cap, over_cap)
    })
}

/// A year that the tests do not live through.
const FAR: Duration = Duration::from_secs(20 * 365 * 24 * 60 * 60);

/// The end of a pause, if it is near enough to be compared.
fn end(now: Instant, pause: Duration) -> Instant {
    now + pause.min(FAR)
}

/// When a request passes that waits since `at`, or when one is no longer refused.
fn earliest(gate: &Gate, at: Instant) -> Instant {
    match gate.check(&(), at) {
        Wait::Now => at,
        Wait::Until(next) => next,
        Wait::Refuse(end) => earliest(gate, end),
        wait => panic!("{wait:?}"),
    }
}

proptest! {
    #[test]
    fn nobody_passes_before_the_end_of_the_latest_word(
        (mut gate, cap, over_cap) in any_gate(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let start = now() + Duration::from_secs(1000);
        let (mut at, mut latest, mut floor) = (start, start, start);
        let mut permits = Vec::new();
        for step in steps {
            let before = earliest(&gate, at);
            match step {
                Step::Word(pause) => {
                    hear(&mut gate, pause, at);
                    let clamped = over_cap == OverCap::Clamp;
                    let obeyed = if clamped { pause.min(cap) } else { pause };
                    floor = floor.max(end(at, obeyed));
                    prop_assert!(earliest(&gate, at) >= before, "a word shortened the wait");
                }
                Step::ByHand(pause) => {
                    gate.pause(pause, at);
                    floor = floor.max(end(at, pause));
                    prop_assert!(earliest(&gate, at) >= before, "a pause shortened the wait");
                }
                Step::Take if gate.check(&(), at) == Wait::Now => permits.push(gate.take((), at)),
                Step::Take => {}
                Step::GiveBack => permits.pop().into_iter().for_each(|permit| gate.cancel(permit, at)),
                Step::Wait(time) => at += time,
                Step::Back(time) => at = at.checked_sub(time).unwrap_or(at),
            }
            latest = latest.max(at);
            if at == latest {
                prop_assert!(earliest(&gate, at) >= floor || at >= floor, "before the word");
            }
        }
    }

    #[test]
    fn who_is_told_until_passes_then_and_not_before(
        (mut gate, ..) in any_gate(),
        pause in any_duration(),
        taken in 0..20_usize,
    ) {
        let mut at = now();
        hear(&mut gate, pause, at);
        for _ in 0..taken {
            at = earliest(&gate, at);
            prop_assert_eq!(gate.check(&(), at), Wait::Now);
            gate.take((), at);
            if let Wait::Until(next) = gate.check(&(), at) {
                prop_assert_ne!(gate.check(&(), next - Duration::from_nanos(1)), Wait::Now);
            }
        }
    }

    #[test]
    fn who_may_pass_may_pass_later_too(
        (mut gate, ..) in any_gate(),
        pause in short_duration(),
        wait in short_duration(),
        more in short_duration(),
    ) {
        let start = now();
        hear(&mut gate, pause, start);
        if gate.check(&(), start + wait) == Wait::Now {
            prop_assert_eq!(gate.check(&(), start + wait + more), Wait::Now);
        }
    }

    #[test]
    fn requests_are_refused_until_the_end_of_the_longest_word_over_the_cap(
        seed in any::<u64>(),
        words in prop::collection::vec((0..200_u64, 0..50_u64, any::<bool>()), 1..20),
    ) {
        let cap = Duration::from_secs(100);
        let (mut gate, mut at) = (seeded(seed).cap(cap), now());
        let mut end = at;
        for (pause, wait, by_hand) in words {
            let pause = Duration::from_secs(pause);
            if by_hand {
                gate.pause(pause, at);
            } else {
                hear(&mut gate, pause, at);
                end = if pause > cap { end.max(at + pause) } else { end };
            }
            at += Duration::from_secs(wait);
            match gate.check(&(), at) {
                Wait::Refuse(told) => {
                    prop_assert!(at < end && end <= told);
                    prop_assert_eq!(gate.resume_at(at), Some(told));
                }
                wait => {
                    prop_assert!(at >= end);
                    if wait == Wait::Now {
                        gate.take((), at);
                    }
                }
            }
        }
    }

    #[test]
    fn giving_back_undoes_taking(
        seed in any::<u64>(),
        pause in short_duration(),
        taken in 0..20_usize,
    ) {
        let (mut gate, start) = (seeded(seed), now());
        hear(&mut gate, pause, start);
        let mut at = start;
        for _ in 0..taken {
            at = earliest(&gate, at);
            gate.take((), at);
        }
        at = earliest(&gate, at);
        let permit = gate.take((), at);
        gate.cancel(permit, at);
        prop_assert_eq!(gate.check(&(), at), Wait::Now);
    }
}
