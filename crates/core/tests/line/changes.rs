//! A change is felt at once by those who already wait.

use std::time::Duration;

use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower_throttle_core::{Acquire, Limiter, Queue, Shared, Wait, Why};

use crate::probe::{Gate, Ledger, Slots, Tokens, jump, ms, now, secs};

fn line<L: Limiter>(shared: &Shared<L>, costs: &[L::Cost]) -> Vec<task::Spawn<Acquire<L>>> {
    let line = costs.iter().map(|&cost| {
        let mut acquire = task::spawn(shared.acquire(cost));
        assert_pending!(acquire.poll());
        acquire
    });
    line.collect()
}

fn woken<L: Limiter>(line: &[task::Spawn<Acquire<L>>]) -> usize {
    line.iter().filter(|acquire| acquire.is_woken()).count()
}

fn empty(queue: Queue) -> Shared<Tokens> {
    let shared = Shared::with_queue(Tokens::new(1, secs(1)), queue);
    drop(shared.try_acquire(1).unwrap().spend());
    shared
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_rises_shortens_the_wait() {
    let shared = empty(Queue::new());
    let mut line = line(&shared, &[1, 1, 1]);
    jump(ms(500)).await;
    shared.update(|tokens, now| tokens.set_every(ms(100), now));
    jump(ms(50)).await;
    assert!(
        line[0].is_woken(),
        "half a token at the old rate, half at the new"
    );
    assert_ready_ok!(line[0].poll()).spend();
    jump(ms(100)).await;
    assert_ready_ok!(line[1].poll()).spend();
    jump(ms(100)).await;
    assert_ready_ok!(line[2].poll()).spend();
}

/// ratelimit 2.0 applies the new rate to the time that has passed.
#[tokio::test(start_paused = true)]
async fn a_rate_that_falls_lengthens_the_wait() {
    let shared = empty(Queue::new());
    let mut line = line(&shared, &[1, 1]);
    jump(ms(500)).await;
    shared.update(|tokens, now| tokens.set_every(secs(10), now));
    jump(ms(500)).await;
    assert_eq!(woken(&line), 0);
    jump(ms(4499)).await;
    assert_eq!(woken(&line), 0);
    jump(ms(1)).await;
    assert_ready_ok!(line[0].poll()).spend();
    jump(secs(10)).await;
    assert_ready_ok!(line[1].poll()).spend();
}

/// What was due before the change is granted as things stood before it.
#[tokio::test(start_paused = true)]
async fn a_gate_that_closes_late_takes_nothing_back() {
    let (limiter, ledger) = Ledger::of((Gate::Open, Tokens::new(1, ms(100))));
    let shared = Shared::new(limiter);
    drop(shared.try_acquire(((), 1)).unwrap().spend());
    let mut line = line(&shared, &[((), 1), ((), 1)]);
    let start = now();
    // The timer has not rung yet.
    tokio::time::advance(ms(105)).await;
    shared.update(|both, _| both.limiter.0 = Gate::Closed);
    assert_eq!(woken(&line), 1);
    assert_ready_ok!(line[0].poll()).spend();
    assert_eq!(ledger.dates(start), [ms(0), ms(100)]);
    jump(secs(60)).await;
    assert_eq!(woken(&line[1..]), 0);
    assert_pending!(line[1].poll());
}

#[tokio::test(start_paused = true)]
async fn a_gate_holds_everybody_until_it_opens_by_itself() {
    let shared = Shared::new((Gate::Open, Tokens::new(5, ms(10))));
    drop(shared.try_acquire(((), 5)).unwrap().spend());
    let line = line(&shared, &[((), 1); 5]);
    shared.update(|both, now| both.0 = Gate::ClosedUntil(now + secs(30)));
    jump(secs(30) - ms(1)).await;
    assert_eq!(woken(&line), 0);
    jump(ms(1)).await;
    assert_eq!(woken(&line), 5, "the bucket is full");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_is_moved_is_waited_for_anew() {
    let shared = Shared::new(Gate::Closed);
    shared.update(|gate, now| *gate = Gate::ClosedUntil(now + secs(10)));
    let line = line(&shared, &[(); 3]);
    jump(secs(5)).await;
    shared.update(|gate, now| *gate = Gate::ClosedUntil(now + secs(10)));
    jump(secs(5)).await;
    assert_eq!(woken(&line), 0, "it was to open now");
    shared.update(|gate, now| *gate = Gate::ClosedUntil(now + secs(1)));
    jump(secs(1)).await;
    assert_eq!(woken(&line), 3, "sooner than it was to open");
}

#[tokio::test(start_paused = true)]
async fn a_gate_opened_by_hand_lets_everybody_pass_in_the_same_instant() {
    let shared = Shared::new(Gate::Closed);
    let mut line = line(&shared, &[(); 100]);
    jump(secs(60)).await;
    assert_eq!(woken(&line), 0);
    shared.update(|gate, _| *gate = Gate::Open);
    assert_eq!(woken(&line), 100);
    for acquire in &mut line {
        assert_ready_ok!(acquire.poll()).spend();
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_rises_lets_the_next_pass() {
    let shared = Shared::new(Slots::new(0));
    let line = line(&shared, &[(); 5]);
    shared.update(|slots, _| slots.limit = 3);
    assert_eq!(woken(&line), 3);
    shared.update(|slots, _| slots.limit = 4);
    assert_eq!(woken(&line), 4);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_falls_waits_for_those_who_are_in_flight() {
    let (limiter, ledger) = Ledger::of(Slots::new(3));
    let shared = Shared::new(limiter);
    let busy: Vec<_> = (0..3)
        .map(|_| shared.try_acquire(()).unwrap().spend())
        .collect();
    shared.update(|slots, _| slots.limiter.limit = 1);
    let line = line(&shared, &[(); 2]);
    let mut busy = busy.into_iter();
    busy.next().unwrap().complete(None);
    busy.next().unwrap().complete(None);
    assert_eq!(woken(&line), 0);
    busy.next().unwrap().complete(None);
    assert_eq!(woken(&line), 1);
    assert_eq!(ledger.held(), 1);
}

/// tower-acc drops the permit before it forgets one: with a line, the limit never fell.
#[tokio::test(start_paused = true)]
async fn a_limit_learnt_from_a_response_holds_before_its_permit_is_free() {
    let shared = Shared::new(Slots::new(2));
    let first = shared.try_acquire(()).unwrap().spend();
    let second = shared.try_acquire(()).unwrap().spend();
    let line = line(&shared, &[(); 5]);
    first.complete(Some(1));
    assert_eq!(woken(&line), 0);
    second.complete(Some(3));
    assert_eq!(woken(&line), 3);
}

#[tokio::test(start_paused = true)]
async fn whoever_would_now_wait_for_too_long_is_refused_at_once() {
    let shared = empty(Queue::new().max_wait(ms(3500)));
    let mut line = line(&shared, &[1, 1, 1]);
    jump(ms(500)).await;
    // They were due after 1, 2 and 3 s, and are now after 1.5, 3.5 and 5.5 s.
    shared.update(|tokens, now| tokens.set_every(secs(2), now));
    assert_eq!(woken(&line), 1);
    let rejected = assert_ready!(line[2].poll()).unwrap_err();
    assert_eq!(rejected.why(), Why::TooLong);
    assert_eq!(rejected.waited(), ms(500));
    assert_eq!(shared.snapshot().waiting, 2);
    let start = now();
    for (acquire, due) in line.into_iter().zip([secs(1), secs(3)]) {
        acquire.into_inner().await.unwrap().spend();
        assert_eq!(now() - start, due);
    }
}

/// With those ahead gone, the rest may still make it.
#[tokio::test(start_paused = true)]
async fn nobody_is_refused_for_the_sake_of_those_who_are_refused() {
    let queue = Queue::new().max_wait(secs(10));
    let shared = Shared::with_queue(Tokens::new(8, secs(1)), queue);
    drop(shared.try_acquire(8).unwrap().spend());
    let mut line = line(&shared, &[1, 8, 1]);
    // Half the rate: 1 is due after 2 s, 8 after 18 s; the last after 4 s once those 8 are gone.
    shared.update(|tokens, now| {
        let full_at_rate = 2;
        tokens.set_every(secs(full_at_rate), now);
    });
    // The level was kept: 8 tokens are missing, 2 s each.
    assert_eq!(
        line.iter().map(task::Spawn::is_woken).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_ready!(line[1].poll()).unwrap_err();
    let start = now();
    line.remove(0).into_inner().await.unwrap().spend();
    assert_eq!(now() - start, secs(2));
    line.remove(1).into_inner().await.unwrap().spend();
    assert_eq!(now() - start, secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_exactly_max_wait_is_allowed_after_a_change_too() {
    for (more, refused) in [(Duration::ZERO, 0), (Duration::from_nanos(1), 1)] {
        let shared = Shared::with_queue(Gate::Closed, Queue::new().max_wait(secs(3)));
        let line = line(&shared, &[()]);
        jump(secs(1)).await;
        shared.update(|gate, now| *gate = Gate::ClosedUntil(now + secs(2) + more));
        assert_eq!(woken(&line), refused);
    }
}

#[tokio::test(start_paused = true)]
async fn a_debt_that_is_settled_is_a_change_as_well() {
    /// Takes one token, and learns afterwards what the request really cost.
    #[derive(Debug)]
    struct Settling(Tokens);

    impl Limiter for Settling {
        type Cost = u32;
        type Permit = ();
        type Feedback = u32;

        fn check(&self, cost: &u32, now: std::time::Instant) -> Wait {
            self.0.check(cost, now)
        }

        fn take(&mut self, cost: u32, at: std::time::Instant) {
            self.0.take(cost, at);
        }

        fn cancel(&mut self, (): (), now: std::time::Instant) {
            self.0.cancel(1, now);
        }

        fn complete(&mut self, (): (), more: Option<u32>, now: std::time::Instant) {
            self.0.take(more.unwrap_or(0), now);
        }

        fn predict(&self, ahead: u64, cost: &u32, now: std::time::Instant) -> Wait {
            self.0.predict(ahead, cost, now)
        }
    }

    let queue = Queue::new().max_wait(secs(3));
    let shared = Shared::with_queue(Settling(Tokens::new(1, secs(1))), queue);
    let sent = shared.try_acquire(1).unwrap().spend();
    let mut line = line(&shared, &[1, 1, 1]);
    sent.complete(1);
    assert_eq!(
        line.iter().map(task::Spawn::is_woken).collect::<Vec<_>>(),
        [false, false, true]
    );
    assert_ready!(line[2].poll()).unwrap_err();
    let start = now();
    line.remove(0).into_inner().await.unwrap().spend();
    assert_eq!(now() - start, secs(2));
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_more_than_there_ever_is_now_is_refused_at_once() {
    let (limiter, _ledger) = Ledger::of(Tokens::new(10, ms(100)));
    for queue in [Queue::new(), Queue::new().max_wait(secs(60))] {
        let shared = Shared::with_queue(limiter.clone(), queue);
        drop(shared.try_acquire(10).unwrap().spend());
        let mut line = line(&shared, &[2, 9, 1, 6]);
        shared.update(|tokens, _| tokens.limiter.set_burst(5));
        let refused: Vec<_> = line.iter().map(task::Spawn::is_woken).collect();
        assert_eq!(refused, [false, true, false, true]);
        assert_eq!(assert_ready!(line[1].poll()).unwrap_err().why(), Why::Never);
        assert_eq!(assert_ready!(line[3].poll()).unwrap_err().why(), Why::Never);
        assert_eq!(shared.snapshot().waiting_cost, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_are_refused_in_one_go() {
    let queue = Queue::new().max_wait(secs(3600)).max_waiting(10_000);
    let shared = Shared::with_queue(Tokens::new(1, ms(10)), queue);
    drop(shared.try_acquire(1).unwrap().spend());
    let line = line(&shared, &[1; 10_000]);
    shared.update(|tokens, now| tokens.set_every(secs(1800), now));
    assert_eq!(woken(&line), 9_998);
    assert_eq!(shared.snapshot().waiting, 2);
}
