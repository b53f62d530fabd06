//! The gate by itself, told the time.

use std::time::Duration;

use tower_throttle_core::{Limiter, Outcome, Snapshot, Wait};
use tower_throttle_jitter::Jitter;
use tower_throttle_retry_after::{Gate, GatePermit, Word};

use crate::world::{drain, exact, hear, ms, now, secs, seeded};

#[test]
fn an_open_gate_lets_everybody_pass() {
    let mut gate = exact();
    let t0 = now();
    assert_eq!(drain(&mut gate, 3, t0), [t0; 3]);
    assert_eq!(gate.resume_at(t0), None);
}

#[test]
fn a_word_closes_the_gate_until_it_ends() {
    let (mut gate, t0) = (exact(), now());
    hear(&mut gate, secs(5), t0);
    assert_eq!(gate.check(&(), t0), Wait::Until(t0 + secs(5)));
    assert_eq!(gate.resume_at(t0), Some(t0 + secs(5)));
    assert_eq!(gate.check(&(), t0 + secs(5)), Wait::Now);
    assert_eq!(gate.resume_at(t0 + secs(5)), None);
}

#[test]
fn what_says_no_pause_changes_nothing() {
    let (mut gate, t0) = (exact(), now());
    let silent = Word::new(Outcome::Throttled, None);
    gate.complete(GatePermit::default(), Some(silent), t0);
    gate.complete(GatePermit::default(), None, t0);
    hear(&mut gate, Duration::ZERO, t0);
    gate.pause(Duration::ZERO, t0);
    assert_eq!(gate.check(&(), t0), Wait::Now);
}

#[test]
fn a_word_below_the_shortest_pause_changes_nothing() {
    let (mut gate, t0) = (exact().min_pause(secs(2)), now());
    hear(&mut gate, ms(1_999), t0);
    assert_eq!(gate.check(&(), t0), Wait::Now);
    hear(&mut gate, secs(2), t0);
    assert_eq!(gate.check(&(), t0), Wait::Until(t0 + secs(2)));
}

// Guards against the stkai SDK: each request kept its own pause, and the others went on hammering.
#[test]
fn a_later_word_extends_and_an_earlier_one_does_not_shorten() {
    let (mut gate, t0) = (exact(), now());
    for (at, pause, until) in [(0, 5, 5), (1, 1, 5), (2, 8, 10), (3, 7, 10), (4, 7, 11)] {
        hear(&mut gate, secs(pause), t0 + secs(at));
        let closed = gate.check(&(), t0 + secs(at));
        assert_eq!(closed, Wait::Until(t0 + secs(until)), "at {at} s");
    }
}

#[test]
fn a_burst_of_equal_words_does_not_move_the_end_about() {
    let (mut gate, t0) = (seeded(7), now());
    hear(&mut gate, secs(8), t0);
    let opens_at = gate.resume_at(t0);
    for _ in 0..100 {
        hear(&mut gate, secs(8), t0);
        assert_eq!(gate.resume_at(t0), opens_at);
    }
    // What is a millisecond later ends a millisecond later, whatever was drawn.
    hear(&mut gate, secs(8), t0 + ms(1));
    assert_eq!(gate.resume_at(t0), opens_at.map(|at| at + ms(1)));
}

#[test]
fn the_other_order_of_two_words_comes_to_the_same() {
    let t0 = now();
    let end = |pauses: [u64; 2]| {
        let mut gate = seeded(7);
        for pause in pauses {
            hear(&mut gate, secs(pause), t0);
        }
        gate.resume_at(t0)
    };
    assert_eq!(end([3, 30]), end([30, 3]));
}

#[test]
fn by_hand_it_closes_for_as_long_as_one_likes_and_opens_at_once() {
    let (mut gate, t0) = (exact().cap(secs(1)), now());
    gate.pause(secs(3600), t0);
    assert_eq!(gate.check(&(), t0), Wait::Until(t0 + secs(3600)));
    gate.pause(secs(1), t0);
    assert_eq!(gate.check(&(), t0), Wait::Until(t0 + secs(3600)));
    gate.resume(t0 + secs(1));
    assert_eq!(gate.check(&(), t0 + secs(1)), Wait::Now);
    gate.resume(t0);
}

#[test]
fn a_word_while_it_opens_closes_it_again() {
    let (mut gate, t0) = (seeded(7), now());
    hear(&mut gate, secs(8), t0);
    let first = drain(&mut gate, 1, t0)[0];
    hear(&mut gate, secs(8), first);
    let second = gate.resume_at(first).unwrap();
    assert!(second >= first + secs(8));
    assert_eq!(gate.check(&(), first), Wait::Until(second));
}

#[test]
fn a_short_word_while_it_opens_lets_nobody_pass_sooner() {
    let (mut gate, t0) = (seeded(7), now());
    hear(&mut gate, secs(100), t0);
    let first = drain(&mut gate, 1, t0)[0];
    let Wait::Until(next) = gate.check(&(), first) else {
        panic!("the second follows the first at once");
    };
    hear(&mut gate, ms(1), first);
    assert_eq!(gate.check(&(), first), Wait::Until(next));
}

/// The first version said `None`, *at once*, from when the first had passed.
#[test]
fn while_it_opens_one_is_told_when_the_next_will_pass() {
    let (mut gate, t0) = (seeded(7), now());
    hear(&mut gate, secs(40), t0);
    let mut at = t0;
    for _ in 0..10 {
        let next = gate.resume_at(at).unwrap();
        assert_eq!(gate.check(&(), at), Wait::Until(next));
        assert_eq!(gate.resume_at(next), None);
        gate.take((), next);
        at = next;
    }
}

#[test]
fn a_request_that_was_never_sent_costs_nobody_a_turn() {
    let (mut gate, t0) = (seeded(7), now());
    hear(&mut gate, secs(8), t0);
    let opens_at = gate.resume_at(t0).unwrap();
    let permit = gate.take((), opens_at);
    assert!(matches!(gate.check(&(), opens_at), Wait::Until(_)));
    gate.cancel(permit, opens_at);
    assert_eq!(gate.check(&(), opens_at), Wait::Now);
}

#[test]
fn a_permit_from_before_the_closure_opens_nothing_when_it_comes_back() {
    let (mut gate, t0) = (seeded(7), now());
    let open = gate.take((), t0);
    hear(&mut gate, secs(1), t0);
    let first = gate.resume_at(t0).unwrap();
    let opening = gate.take((), first);
    hear(&mut gate, secs(8), first);
    let closed = gate.check(&(), first);
    gate.cancel(open, first);
    gate.cancel(opening, first);
    assert_eq!(gate.check(&(), first), closed);
}

#[test]
fn a_snapshot_shows_when_the_gate_opens() {
    let (mut gate, t0) = (exact(), now());
    let resume_at = |gate: &Gate, at| {
        let mut snapshot = Snapshot::default();
        gate.describe(&mut snapshot, at);
        snapshot.resume_at
    };
    assert_eq!(resume_at(&gate, t0), None);
    hear(&mut gate, secs(3), t0);
    assert_eq!(resume_at(&gate, t0), Some(t0 + secs(3)));
    assert_eq!(resume_at(&gate, t0 + secs(3)), None);
}

#[test]
fn a_jitter_that_may_shorten_by_a_hair_is_refused_too() {
    for jitter in [Jitter::full(), Jitter::equal(), Jitter::proportional(1e-12)] {
        let gate = std::panic::catch_unwind(|| Gate::new().jitter(jitter));
        assert!(gate.is_err(), "{jitter:?}");
    }
}

// Guards against the stkai SDK, whose jitter of ±10 % undercut Retry-After in half of the cases.
#[test]
#[should_panic = "jitter is Jitter(Proportional(0.1)), but must be one that never shortens a wait"]
fn a_jitter_that_may_shorten_a_pause_is_refused() {
    let _ = Gate::new().jitter(Jitter::proportional(0.1));
}

#[test]
fn jitters_that_only_add_are_taken() {
    let t0 = now();
    for (jitter, most) in [
        (Jitter::none(), 0),
        (Jitter::upward(0.5), 4000),
        (Jitter::additive(ms(100)), 100),
        (Jitter::decorrelated(), 10_000),
        (Jitter::proportional(0.0), 0),
    ] {
        let mut gate = seeded(7).jitter(jitter);
        hear(&mut gate, secs(8), t0);
        let late = gate.resume_at(t0).unwrap() - (t0 + secs(8));
        assert!(late <= ms(most), "{jitter:?}: {late:?}");
        assert!(late >= ms(most) / 100, "{jitter:?}: {late:?}");
    }
}
