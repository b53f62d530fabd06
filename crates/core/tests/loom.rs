//! The shipped line and shared state under a model checker, which tries every interleaving of a
//! few threads up to a bound on preemptions. A lost wake-up shows as a deadlock, a lost or double
//! permit in the ledger.
//!
//! Run with `RUSTFLAGS="--cfg throttle_loom" cargo test -p tower-throttle-core --release --test loom`.
#![cfg(throttle_loom)]

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use loom::{future::block_on, thread};
use tower_throttle_core::{
    Limiter, Pace, Queue, Room, SHELF_LIFE, Shared, Snapshot, Wait, Why, now, set_time,
};

const SECOND: Duration = Duration::from_secs(1);

/// Tokens that come one each second, or places in flight.
#[derive(Debug)]
struct Ledger {
    start: Instant,
    every: Duration,
    taken: u32,
    most: u32,
}

impl Ledger {
    /// One token a second, none at first.
    fn tokens() -> Self {
        Self {
            start: now(),
            every: SECOND,
            taken: 0,
            most: u32::MAX,
        }
    }

    /// So many at once, at any time.
    fn places(most: u32) -> Self {
        Self {
            start: now(),
            every: Duration::ZERO,
            taken: 0,
            most,
        }
    }
}

impl Limiter for Ledger {
    type Cost = ();
    type Permit = ();
    type Feedback = ();

    fn check(&self, _cost: &(), now: Instant) -> Wait {
        if self.taken >= self.most {
            return Wait::Changed;
        }
        Wait::until(self.start + self.every * (self.taken + 1), now)
    }

    fn take(&mut self, _cost: (), at: Instant) {
        assert_eq!(self.check(&(), at), Wait::Now, "a double permit");
        self.taken += 1;
    }

    fn cancel(&mut self, _permit: (), _now: Instant) {
        self.taken = self.taken.checked_sub(1).expect("a permit came back twice");
    }

    fn complete(&mut self, permit: (), _feedback: Option<()>, now: Instant) {
        if self.every.is_zero() {
            self.cancel(permit, now);
        }
    }

    fn describe(&self, snapshot: &mut Snapshot, _now: Instant) {
        snapshot.in_flight = Some(self.taken);
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(model);
}

fn taken(shared: &Shared<Ledger>) -> u32 {
    let snapshot = shared.snapshot();
    assert_eq!(snapshot.waiting, 0, "somebody was left in line");
    snapshot.in_flight.unwrap()
}

fn acquire(shared: Shared<Ledger>) -> thread::JoinHandle<()> {
    thread::spawn(move || drop(block_on(shared.acquire(())).unwrap().spend()))
}

/// Asks once and leaves.
fn ask_and_leave(shared: &Shared<Ledger>) {
    let mut acquire = pin!(shared.acquire(()));
    if let Poll::Ready(permit) = acquire
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        drop(permit.unwrap());
    }
}

#[test]
fn a_waiter_is_woken_whenever_the_alarm_rings() {
    check(|| {
        let shared = Shared::new(Ledger::tokens());
        let waiter = acquire(shared.clone());
        set_time(SECOND);
        shared.ring_if_due();
        waiter.join().unwrap();
        assert_eq!(taken(&shared), 1);
    });
}

#[test]
fn two_waiters_get_two_tokens() {
    check(|| {
        let shared = Shared::new(Ledger::tokens());
        let waiters = [acquire(shared.clone()), acquire(shared.clone())];
        set_time(SECOND);
        shared.ring_if_due();
        set_time(2 * SECOND);
        shared.ring_if_due();
        waiters
            .into_iter()
            .for_each(|waiter| waiter.join().unwrap());
        assert_eq!(taken(&shared), 2);
    });
}

#[test]
fn a_place_passes_from_hand_to_hand() {
    check(|| {
        let shared = Shared::new(Ledger::places(1));
        let first = shared.try_acquire(()).unwrap().spend();
        let waiters = [acquire(shared.clone()), acquire(shared.clone())];
        drop(first);
        waiters
            .into_iter()
            .for_each(|waiter| waiter.join().unwrap());
        assert_eq!(taken(&shared), 0);
    });
}

#[test]
fn one_who_leaves_takes_nobodys_permit_along() {
    check(|| {
        let shared = Shared::new(Ledger::places(1));
        let first = shared.try_acquire(()).unwrap();
        let waiter = acquire(shared.clone());
        let leaver = {
            let shared = shared.clone();
            thread::spawn(move || ask_and_leave(&shared))
        };
        drop(first);
        leaver.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(taken(&shared), 0);
    });
}

#[test]
fn a_grant_that_nobody_fetches_goes_to_the_next() {
    check(|| {
        let shared = Shared::new(Ledger::places(1));
        let first = shared.try_acquire(()).unwrap();
        let mut sleeper = Box::pin(shared.acquire(()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(sleeper.as_mut().poll(&mut context).is_pending());
        let waiter = acquire(shared.clone());
        drop(first);
        set_time(SHELF_LIFE);
        shared.ring_if_due();
        waiter.join().unwrap();
        // The place is free, and the sleeper first in line for it.
        let Poll::Ready(Ok(permit)) = sleeper.as_mut().poll(&mut context) else {
            panic!("the place is lost");
        };
        drop(permit);
        assert_eq!(taken(&shared), 0);
    });
}

#[test]
fn a_change_of_rate_reaches_one_who_joins_meanwhile() {
    check(|| {
        let shared = Shared::new(Ledger::tokens());
        let waiter = acquire(shared.clone());
        shared.update(|ledger, _now| ledger.every = Duration::ZERO);
        waiter.join().unwrap();
        shared.update(|ledger, _now| ledger.every = SECOND);
        assert_eq!(shared.snapshot().waiting, 0);
    });
}

#[test]
fn a_change_of_rate_moves_an_alarm_that_is_being_set() {
    check(|| {
        let shared = Shared::new(Ledger::tokens());
        let waiter = acquire(shared.clone());
        shared.update(|ledger, _now| ledger.every = SECOND / 2);
        set_time(SECOND / 2);
        shared.ring_if_due();
        waiter.join().unwrap();
    });
}

#[test]
fn a_deadline_and_a_permit_come_at_once() {
    check(|| {
        let queue = Queue::new().max_wait(SECOND);
        let shared = Shared::with_queue(Ledger::places(1), queue);
        let first = shared.try_acquire(()).unwrap();
        let waiter = {
            let shared = shared.clone();
            thread::spawn(move || match block_on(shared.acquire(())) {
                Ok(permit) => drop(permit.spend()),
                Err(rejected) => assert_eq!(rejected.why(), Why::TooLong),
            })
        };
        let giver = thread::spawn(move || drop(first));
        set_time(SECOND);
        shared.ring_if_due();
        giver.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(taken(&shared), 0);
    });
}

#[test]
fn dropping_the_limiter_while_the_alarm_rings_is_safe() {
    check(|| {
        let shared = Shared::new(Ledger::tokens());
        let leaver = {
            let shared = shared.clone();
            thread::spawn(move || ask_and_leave(&shared))
        };
        set_time(SECOND);
        shared.ring_if_due();
        drop(shared);
        leaver.join().unwrap();
    });
}

/// Two tokens at once, one more each second: requests pass by the lane while nobody waits.
#[derive(Debug)]
struct Bucket {
    full_at: Instant,
}

const BURST: u32 = 2;

impl Limiter for Bucket {
    type Cost = u32;
    type Permit = ();
    type Feedback = ();
    const COMPLETES: bool = false;

    fn check(&self, cost: &u32, now: Instant) -> Wait {
        Wait::until(self.full_at + *cost * SECOND - BURST * SECOND, now)
    }

    fn take(&mut self, cost: u32, at: Instant) {
        assert_eq!(self.check(&cost, at), Wait::Now, "a double permit");
        self.full_at = self.full_at.max(at) + cost * SECOND;
    }

    fn cancel(&mut self, _permit: (), _now: Instant) {
        self.full_at -= SECOND;
    }

    fn pace(&self) -> Option<Pace> {
        Some(Pace {
            full_at: self.full_at,
            interval: SECOND,
            burst: BURST,
        })
    }

    fn passed(&mut self, full_at: Instant) {
        assert!(full_at > self.full_at, "the lane went backwards");
        self.full_at = full_at;
    }

    fn permit(_cost: u32) -> Option<()> {
        Some(())
    }
}

#[test]
fn by_the_lane_and_by_the_lock_no_token_is_taken_twice_and_none_is_lost() {
    check(|| {
        let start = now();
        let shared = Shared::new(Bucket { full_at: start });
        let spend = |shared: &Shared<Bucket>| match shared.try_acquire(1) {
            Ok(permit) => {
                permit.spend();
                1
            }
            Err(_) => 0,
        };
        let others: Vec<_> = (0..2)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || spend(&shared))
            })
            .collect();
        // Looks at the limiter, which closes the lane for a moment.
        assert!(shared.update(|bucket, _now| bucket.full_at) <= start + BURST * SECOND);
        let mine = spend(&shared);
        let taken: u32 = others.into_iter().map(|other| other.join().unwrap()).sum();
        assert_eq!(mine + taken, BURST);
        assert_eq!(
            shared.update(|bucket, _now| bucket.full_at),
            start + BURST * SECOND
        );
    });
}

#[test]
fn nobody_passes_one_who_waits_by_the_lane() {
    check(|| {
        let shared = Shared::new(Bucket { full_at: now() });
        shared.try_acquire(2).unwrap().spend();
        let mut waiter = Box::pin(shared.acquire(1));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiter.as_mut().poll(&mut context).is_pending());
        let newcomer = {
            let shared = shared.clone();
            thread::spawn(move || assert!(shared.try_acquire(1).is_err(), "it overtook"))
        };
        set_time(SECOND);
        shared.ring_if_due();
        newcomer.join().unwrap();
        assert!(waiter.as_mut().poll(&mut context).is_ready());
    });
}

/// So many in flight: requests pass by the turnstile while nobody waits.
#[derive(Debug)]
struct Slots {
    most: u32,
    in_flight: u32,
    era: u64,
    /// How many are in flight that passed in this era.
    current: u32,
}

impl Slots {
    fn new(most: u32) -> Self {
        Self {
            most,
            in_flight: 0,
            era: 0,
            current: 0,
        }
    }

    fn set(&mut self, most: u32) {
        self.most = most;
        self.era += 1;
        self.current = 0;
    }
}

impl Limiter for Slots {
    type Cost = ();
    /// The era.
    type Permit = u64;
    /// How many there may be from now on.
    type Feedback = Option<u32>;

    fn check(&self, _cost: &(), _now: Instant) -> Wait {
        if self.in_flight < self.most {
            Wait::Now
        } else {
            Wait::Changed
        }
    }

    fn take(&mut self, _cost: (), at: Instant) -> u64 {
        assert_eq!(self.check(&(), at), Wait::Now, "a double permit");
        self.entered(1, self.era);
        self.era
    }

    fn cancel(&mut self, permit: u64, now: Instant) {
        self.complete(permit, None, now);
    }

    fn complete(&mut self, era: u64, most: Option<Option<u32>>, _now: Instant) {
        self.in_flight = self.in_flight.checked_sub(1).expect("came back twice");
        if era == self.era {
            self.current = self.current.checked_sub(1).expect("of another era");
        }
        if let Some(most) = most.flatten() {
            self.set(most);
        }
    }

    fn room(&self) -> Option<Room> {
        Some(Room {
            free: self.most.saturating_sub(self.in_flight),
            in_flight: self.in_flight,
            era: self.era,
        })
    }

    fn entered(&mut self, requests: u32, era: u64) {
        self.in_flight += requests;
        if era == self.era {
            self.current += requests;
        }
    }

    fn enter(room: Room, _at: Instant) -> Option<u64> {
        Some(room.era)
    }
}

/// How many are inside, by somebody else's count.
#[derive(Clone)]
struct Inside(loom::sync::Arc<loom::sync::atomic::AtomicU32>);

impl Inside {
    fn new() -> Self {
        Self(loom::sync::Arc::new(loom::sync::atomic::AtomicU32::new(0)))
    }

    fn visit(&self, shared: &Shared<Slots>, most: u32, feedback: Option<u32>) -> bool {
        use loom::sync::atomic::Ordering::SeqCst;
        let Ok(permit) = shared.try_acquire(()) else {
            return false;
        };
        assert!(self.0.fetch_add(1, SeqCst) < most, "too many");
        self.0.fetch_sub(1, SeqCst);
        permit.spend().complete(feedback);
        true
    }
}

fn in_flight(shared: &Shared<Slots>) -> (u32, u32) {
    shared.update(|slots, _now| (slots.in_flight, slots.current))
}

#[test]
fn by_the_turnstile_and_by_the_lock_no_more_are_in_flight_than_may_be() {
    check(|| {
        let shared = Shared::new(Slots::new(1));
        let inside = Inside::new();
        let other = {
            let (shared, inside) = (shared.clone(), inside.clone());
            thread::spawn(move || inside.visit(&shared, 1, None))
        };
        // Looks at the limiter, which closes the turnstile for a moment.
        assert!(in_flight(&shared).0 <= 1);
        let mine = inside.visit(&shared, 1, None);
        assert!(other.join().unwrap() | mine, "both refused");
        assert_eq!(in_flight(&shared), (0, 0));
    });
}

#[test]
fn a_limit_that_falls_while_requests_pass_holds_for_the_next_one() {
    check(|| {
        let shared = Shared::new(Slots::new(3));
        let first = shared.try_acquire(()).unwrap().spend();
        let passer = {
            let shared = shared.clone();
            thread::spawn(move || shared.try_acquire(()).map(|permit| permit.spend()))
        };
        first.complete(Some(1));
        let mine = shared.try_acquire(()).map(|permit| permit.spend());
        let other = passer.join().unwrap();
        // One of both passed before the limit fell, or after the other was refused.
        assert!(mine.is_err() || other.is_err(), "two where one may be");
        let (count, current) = in_flight(&shared);
        assert_eq!(count, u32::from(mine.is_ok()) + u32::from(other.is_ok()));
        assert!(current <= count);
        drop((mine, other));
        assert_eq!(in_flight(&shared), (0, 0));
        assert!(shared.try_acquire(()).is_ok(), "a place is lost");
    });
}

#[test]
fn nobody_passes_one_who_waits_by_the_turnstile() {
    check(|| {
        let shared = Shared::new(Slots::new(1));
        let first = shared.try_acquire(()).unwrap().spend();
        let mut waiter = Box::pin(shared.acquire(()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiter.as_mut().poll(&mut context).is_pending());
        let newcomer = {
            let shared = shared.clone();
            thread::spawn(move || assert!(shared.try_acquire(()).is_err(), "it overtook"))
        };
        first.complete(None);
        newcomer.join().unwrap();
        assert!(waiter.as_mut().poll(&mut context).is_ready());
    });
}

#[test]
fn a_place_by_the_turnstile_passes_to_one_who_waits() {
    check(|| {
        let shared = Shared::new(Slots::new(1));
        let visitors: Vec<_> = (0..2)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let permit = block_on(shared.acquire(())).unwrap();
                    permit.spend().complete(None);
                })
            })
            .collect();
        for visitor in visitors {
            visitor.join().unwrap();
        }
        assert_eq!(in_flight(&shared), (0, 0));
    });
}
