//! Laws that every rival keeps, whatever its formula.

use std::time::{Duration, Instant};

use proptest::{collection::vec, prelude::*};
use tower_throttle_core::{Limiter, Outcome, Wait};
use tower_throttle_jitter::Generator;

use super::{
    Aimd, AwsCubic, Gradient2, InFlightLimit, ShareOfN, Sre, Stkai, TowerAimd, TowerVegas,
    Unlimited, Vegas, Windowed, stkai::Preset, testing::start,
};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
enum Op {
    Wait(Duration),
    /// Time goes backwards.
    Rewind(Duration),
    Send,
    Complete(Option<Outcome>),
    Cancel,
}

fn op() -> impl Strategy<Value = Op> {
    let nanos = prop_oneof![
        3 => 0..3_000_000_000_u64,
        1 => 0..u64::MAX / 1000,
    ];
    prop_oneof![
        4 => nanos.prop_map(Duration::from_nanos).prop_map(Op::Wait),
        1 => (0..2000_u64).prop_map(Duration::from_millis).prop_map(Op::Rewind),
        6 => Just(Op::Send),
        4 => Just(Op::Complete(Some(Outcome::Succeeded))),
        2 => Just(Op::Complete(Some(Outcome::Throttled))),
        1 => Just(Op::Complete(Some(Outcome::Failed))),
        1 => Just(Op::Complete(Some(Outcome::Ignored))),
        1 => Just(Op::Complete(None)),
        1 => Just(Op::Cancel),
    ]
}

/// Does all that, and checks that what is due is let through when it was said to be.
fn obeys<L>(mut limiter: L, ops: &[Op], t0: Instant) -> Result<(), TestCaseError>
where
    L: Limiter<Cost = (), Feedback = Outcome>,
{
    let mut now = t0;
    let mut permits = Vec::new();
    for &op in ops {
        match op {
            Op::Wait(time) => now = now.checked_add(time).unwrap_or(now),
            Op::Rewind(time) => now = now.checked_sub(time).unwrap_or(now),
            Op::Send => permits.extend(send(&mut limiter, &mut now)?),
            Op::Complete(outcome) => {
                if let Some(permit) = permits.pop() {
                    limiter.complete(permit, outcome, now);
                }
            }
            Op::Cancel => {
                if let Some(permit) = permits.pop() {
                    limiter.cancel(permit, now);
                }
            }
        }
    }
    Ok(())
}

fn send<L>(limiter: &mut L, now: &mut Instant) -> Result<Option<L::Permit>, TestCaseError>
where
    L: Limiter<Cost = ()>,
{
    if let Wait::Until(due) = limiter.check(&(), *now) {
        prop_assert!(due > *now);
        *now = due;
        prop_assert_eq!(limiter.check(&(), due), Wait::Now);
    }
    let is_free = limiter.check(&(), *now) == Wait::Now;
    Ok(is_free.then(|| limiter.take((), *now)))
}

proptest! {
    #[test]
    fn rates_let_through_what_they_said_was_due(ops in vec(op(), 0..300), seed: u64) {
        let t0 = start() + SECOND * 1000;
        let mut random = Generator::seeded(seed);
        let share = ShareOfN::new(7, SECOND * 3, 3, t0, &mut random).unwrap();
        obeys(share, &ops, t0)?;
        for (max_requests, preset) in [(7, Preset::CONSERVATIVE), (100, Preset::OPTIMISTIC)] {
            let stkai = Stkai::new(preset, max_requests, SECOND, t0, random.split()).unwrap();
            obeys(stkai, &ops, t0)?;
        }
        obeys(AwsCubic::new(t0, &mut random), &ops, t0)?;
        obeys(Sre::new(1.1, random.split()).unwrap(), &ops, t0)?;
        obeys(Unlimited, &ops, t0)?;
    }

    #[test]
    fn limits_in_flight_let_through_what_they_said_was_due(ops in vec(op(), 0..300), seed: u64) {
        let t0 = start() + SECOND * 1000;
        let random = Generator::seeded(seed);
        obeys(InFlightLimit::new(Aimd::published()), &ops, t0)?;
        obeys(InFlightLimit::new(Gradient2::published()), &ops, t0)?;
        obeys(InFlightLimit::new(Vegas::published(random)), &ops, t0)?;
        obeys(InFlightLimit::new(Windowed::new(Gradient2::published())), &ops, t0)?;
        obeys(InFlightLimit::new(TowerAimd::published(SECOND)), &ops, t0)?;
        obeys(InFlightLimit::new(TowerVegas::published()), &ops, t0)?;
    }
}
