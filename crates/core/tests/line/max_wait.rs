//! Too long a wait is refused on arrival where it can be predicted.

use std::{task::Poll, time::Duration};

use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower_throttle_core::{Queue, Rejected, Shared, Why};

use crate::probe::{Gate, Ledger, Tokens, jump, ms, now, secs};

const NS: Duration = Duration::from_nanos(1);

fn bucket(max_wait: Duration) -> Shared<Tokens> {
    let queue = Queue::new().max_wait(max_wait);
    let shared = Shared::with_queue(Tokens::new(1, ms(100)), queue);
    drop(shared.try_acquire(1).unwrap().spend());
    shared
}

/// Asks, and is refused before any time has passed.
fn refused_at_once(shared: &Shared<Tokens>, cost: u32) -> Rejected {
    let waiting = shared.snapshot().waiting;
    let Poll::Ready(Err(rejected)) = task::spawn(shared.acquire(cost)).poll() else {
        panic!("it was not refused at once");
    };
    assert_eq!(rejected.waited(), Duration::ZERO);
    assert_eq!(shared.snapshot().waiting, waiting);
    rejected
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_exactly_max_wait_is_allowed() {
    let shared = bucket(ms(300));
    let mut line: Vec<_> = (0..3).map(|_| task::spawn(shared.acquire(1))).collect();
    for acquire in &mut line {
        assert_pending!(acquire.poll());
    }
    let start = now();
    for acquire in line {
        acquire.into_inner().await.unwrap().spend();
    }
    assert_eq!(now() - start, ms(300));
}

/// tower-resilience sleeps until the timeout although its docs say *rejected immediately*.
#[tokio::test(start_paused = true)]
async fn a_wait_of_one_nanosecond_more_is_refused_on_arrival() {
    let shared = bucket(ms(300) - NS);
    let mut line: Vec<_> = (0..2).map(|_| task::spawn(shared.acquire(1))).collect();
    for acquire in &mut line {
        assert_pending!(acquire.poll());
    }
    let start = now();
    let rejected = refused_at_once(&shared, 1);
    assert_eq!(rejected.why(), Why::TooLong);
    assert_eq!(rejected.retry_after(), Some(ms(300)));
    assert_eq!(rejected.max_wait(), Some(ms(300) - NS));
    assert_eq!(now(), start);
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_counted_from_the_arrival_to_the_nanosecond() {
    let shared = bucket(ms(100) - NS);
    assert_eq!(refused_at_once(&shared, 1).retry_after(), Some(ms(100)));
    tokio::time::advance(NS).await;
    let start = now();
    let mut acquire = task::spawn(shared.acquire(1));
    assert_pending!(acquire.poll());
    // The timer rings on the next full millisecond; the wait is over in due time all the same.
    let permit = acquire.into_inner().await;
    assert!(now() - start > ms(100) - NS, "the timer was late");
    permit.unwrap().spend();
}

#[tokio::test(start_paused = true)]
async fn the_cost_of_those_ahead_counts_and_not_their_number() {
    let queue = Queue::new().max_wait(secs(1));
    let shared = Shared::with_queue(Tokens::new(10, ms(100)), queue);
    drop(shared.try_acquire(10).unwrap().spend());
    let mut first = task::spawn(shared.acquire(9));
    assert_pending!(first.poll());
    assert_eq!(refused_at_once(&shared, 2).retry_after(), Some(ms(1100)));
    let mut second = task::spawn(shared.acquire(1));
    assert_pending!(second.poll());
    assert_eq!(shared.snapshot().waiting_cost, 10);

    drop(first);
    let mut third = task::spawn(shared.acquire(9));
    assert_pending!(third.poll());
    drop(second);
    let start = now();
    third.into_inner().await.unwrap().spend();
    assert_eq!(now() - start, ms(900));
}

#[tokio::test(start_paused = true)]
async fn a_max_wait_of_zero_lets_pass_at_once_or_not_at_all() {
    let queue = Queue::new().max_wait(Duration::ZERO);
    let shared = Shared::with_queue(Tokens::new(2, ms(100)), queue);
    shared.acquire(1).await.unwrap().spend();
    shared.acquire(1).await.unwrap().spend();
    let rejected = refused_at_once(&shared, 1);
    assert_eq!(rejected.why(), Why::TooLong);
    assert_eq!(rejected.retry_after(), Some(ms(100)));
    assert_eq!(rejected.max_wait(), Some(Duration::ZERO));
    tokio::time::advance(ms(100) - NS).await;
    assert_eq!(refused_at_once(&shared, 1).retry_after(), Some(NS));
    tokio::time::advance(NS).await;
    shared.acquire(1).await.unwrap().spend();
}

#[tokio::test(start_paused = true)]
async fn a_cost_beyond_the_burst_is_refused_at_once_and_for_ever() {
    let shared = Shared::new(Tokens::new(10, ms(100)));
    let rejected = refused_at_once(&shared, 11);
    assert_eq!(rejected.why(), Why::Never);
    assert_eq!(rejected.retry_after(), None);
    assert!(!rejected.is_retryable());
    let rejected = shared.try_acquire(11).unwrap_err();
    assert_eq!(rejected.why(), Why::Never, "and when it is tried");

    let shared = Shared::new(Gate::Bricked);
    let rejected = assert_ready!(task::spawn(shared.acquire(())).poll()).unwrap_err();
    assert_eq!(rejected.why(), Why::Never);
}

#[tokio::test(start_paused = true)]
async fn a_full_line_refuses_the_next() {
    let (limiter, ledger) = Ledger::of(Tokens::new(1, ms(100)));
    let shared = Shared::with_queue(limiter, Queue::new().max_waiting(2));
    drop(shared.try_acquire(1).unwrap().spend());
    let mut line: Vec<_> = (0..2).map(|_| task::spawn(shared.acquire(1))).collect();
    for acquire in &mut line {
        assert_pending!(acquire.poll());
    }
    let rejected = assert_ready!(task::spawn(shared.acquire(1)).poll()).unwrap_err();
    assert_eq!(rejected.why(), Why::Full);
    assert!(rejected.is_retryable());
    assert_eq!(rejected.snapshot().waiting, 2);
    assert_eq!(rejected.retry_after(), Some(ms(300)));

    drop(line.remove(0));
    let mut next = task::spawn(shared.acquire(1));
    assert_pending!(next.poll());
    assert_eq!(ledger.taken(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_of_no_length_still_lets_pass_what_need_not_wait() {
    let queue = Queue::new().max_waiting(0);
    let shared = Shared::with_queue(Tokens::new(1, ms(100)), queue);
    shared.acquire(1).await.unwrap().spend();
    assert_eq!(refused_at_once(&shared, 1).why(), Why::Full);
    jump(ms(100)).await;
    shared.acquire(1).await.unwrap().spend();
}

#[tokio::test(start_paused = true)]
async fn by_default_a_thousand_and_twenty_four_may_wait() {
    let shared = Shared::new(Tokens::new(1, secs(1)));
    drop(shared.try_acquire(1).unwrap().spend());
    let mut line: Vec<_> = (0..1024).map(|_| task::spawn(shared.acquire(1))).collect();
    for acquire in &mut line {
        assert_pending!(acquire.poll());
    }
    assert_eq!(refused_at_once(&shared, 1).why(), Why::Full);
    assert_eq!(Queue::default(), Queue::new());
}

#[tokio::test(start_paused = true)]
async fn the_longest_waits_that_can_be_written_down_are_no_trouble() {
    let queue = Queue::new().max_wait(Duration::MAX).max_waiting(usize::MAX);
    let shared = Shared::with_queue(Tokens::new(u32::MAX, Duration::from_nanos(1)), queue);
    drop(shared.try_acquire(u32::MAX).unwrap().spend());
    let mut large = task::spawn(shared.acquire(u32::MAX));
    let mut larger = task::spawn(shared.acquire(u32::MAX));
    assert_pending!(large.poll());
    assert_pending!(larger.poll());
    let start = now();
    large.into_inner().await.unwrap().spend();
    larger.into_inner().await.unwrap().spend();
    let due = Duration::from_nanos(2 * u64::from(u32::MAX));
    assert!((due..due + ms(2)).contains(&(now() - start)));
}

/// Sums like these come from limiters whose arithmetic saturates.
#[tokio::test(start_paused = true)]
async fn a_wait_until_the_end_of_time_is_no_trouble() {
    let mut end = now();
    for shift in (0..63).rev() {
        end = end.checked_add(secs(1 << shift)).unwrap_or(end);
    }
    for shift in (0..30).rev() {
        end = end.checked_add(NS * (1 << shift)).unwrap_or(end);
    }
    let shared = Shared::new(Gate::ClosedUntil(end));
    let mut acquire = task::spawn(shared.acquire(()));
    assert_pending!(acquire.poll());
    jump(secs(24 * 60 * 60)).await;
    assert!(!acquire.is_woken());
    shared.update(|gate, _| *gate = Gate::Open);
    let _permit = assert_ready_ok!(acquire.poll());
}
