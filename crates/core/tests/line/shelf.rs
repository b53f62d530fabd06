//! A grant that nobody uses.

use tokio_test::{assert_pending, assert_ready_ok, task};
use tower_throttle_core::{Acquire, Limiter, SHELF_LIFE, Shared};

use crate::probe::{Ledger, Recorded, Slots, Tokens, jump, ms, settle};

fn waiting<L: Limiter>(
    shared: &Shared<L>,
    cost: L::Cost,
    how_many: usize,
) -> Vec<task::Spawn<Acquire<L>>> {
    let waiting = (0..how_many).map(|_| {
        let mut acquire = task::spawn(shared.acquire(cost));
        assert_pending!(acquire.poll());
        acquire
    });
    waiting.collect()
}

fn slots(limit: u32) -> (Shared<Recorded<Slots>>, Ledger) {
    let (limiter, ledger) = Ledger::of(Slots::new(limit));
    (Shared::new(limiter), ledger)
}

#[tokio::test(start_paused = true)]
async fn a_grant_is_kept_for_100_ms_and_not_longer() {
    let (shared, ledger) = slots(1);
    let permit = shared.try_acquire(()).unwrap();
    let mut line = waiting(&shared, (), 2);
    drop(permit);
    jump(SHELF_LIFE - ms(1)).await;
    assert!(!line[1].is_woken());
    drop(assert_ready_ok!(line[0].poll()));
    assert!(line[1].is_woken());

    // And now it is the second one that doesn't come.
    jump(SHELF_LIFE - ms(1)).await;
    assert_eq!(ledger.held(), 1);
    jump(ms(1)).await;
    assert_eq!(ledger.held(), 0);
    assert_eq!(SHELF_LIFE, ms(100));
}

#[tokio::test(start_paused = true)]
async fn whoever_let_a_grant_lapse_is_first_when_it_asks_again() {
    let (shared, _ledger) = slots(1);
    let permit = shared.try_acquire(()).unwrap();
    let mut line = waiting(&shared, (), 3);
    drop(permit);
    jump(SHELF_LIFE).await;
    let permit = assert_ready_ok!(line[1].poll());
    assert_pending!(line[0].poll());
    assert_pending!(line[2].poll());
    drop(permit);
    assert!(line[0].is_woken() && !line[2].is_woken());
    drop(assert_ready_ok!(line[0].poll()));
    drop(assert_ready_ok!(line[2].poll()));
}

#[tokio::test(start_paused = true)]
async fn whoever_let_a_grant_lapse_gets_the_next_at_once_if_there_is_one() {
    let (shared, ledger) = slots(1);
    let permit = shared.try_acquire(()).unwrap();
    let mut line = waiting(&shared, (), 1);
    drop(permit);
    jump(SHELF_LIFE).await;
    assert_eq!(ledger.held(), 0);
    drop(assert_ready_ok!(line[0].poll()));
    assert_eq!((ledger.taken(), ledger.cancelled()), (3, 3));
}

/// Whoever comes back first must not get ahead of those who were there before it.
#[tokio::test(start_paused = true)]
async fn when_many_grants_lapse_their_owners_keep_their_order() {
    for back in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        let (shared, ledger) = slots(4);
        let busy: Vec<_> = (0..4).map(|_| shared.try_acquire(()).unwrap()).collect();
        let mut line = Vec::new();
        for _ in 0..6 {
            line.extend(waiting(&shared, (), 1));
            // Nobody comes at the same nanosecond as another.
            tokio::time::advance(ms(1)).await;
        }
        drop(busy);
        jump(SHELF_LIFE).await;
        // The last two have the permits now; the first four let theirs lapse.
        let permits = [
            assert_ready_ok!(line[4].poll()),
            assert_ready_ok!(line[5].poll()),
        ];
        shared.update(|slots, _| slots.limiter.limit = 2);
        for index in back {
            assert_pending!(line[index].poll());
        }
        let mut newcomer = waiting(&shared, (), 1);
        for permit in permits {
            drop(permit);
        }
        for pair in [[0, 1], [2, 3]] {
            let woken: Vec<_> = (0..4).filter(|&index| line[index].is_woken()).collect();
            assert_eq!(woken, pair, "came back as {back:?}");
            let permits = pair.map(|index| assert_ready_ok!(line[index].poll()));
            assert!(!newcomer[0].is_woken());
            drop(permits);
        }
        drop(assert_ready_ok!(newcomer[0].poll()));
        assert_eq!(ledger.held(), 0);
    }
}

/// The same when all of them came at one instant, as those do who wait for one event.
#[tokio::test(start_paused = true)]
async fn those_who_came_at_the_same_instant_keep_their_order_too() {
    let (shared, _ledger) = slots(3);
    let busy: Vec<_> = (0..3).map(|_| shared.try_acquire(()).unwrap()).collect();
    let mut line = waiting(&shared, (), 3);
    drop(busy);
    jump(SHELF_LIFE).await;
    let busy: Vec<_> = (0..3).map(|_| shared.try_acquire(()).unwrap()).collect();
    for index in [2, 0, 1] {
        assert_pending!(line[index].poll());
    }
    for (index, permit) in busy.into_iter().enumerate() {
        drop(permit);
        let woken: Vec<_> = (0..3).filter(|&index| line[index].is_woken()).collect();
        assert_eq!(woken, [index]);
        std::mem::forget(assert_ready_ok!(line[index].poll()));
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_came_back_and_leaves_again_leaves_no_gap() {
    let (shared, ledger) = slots(3);
    let busy: Vec<_> = (0..3).map(|_| shared.try_acquire(()).unwrap()).collect();
    let mut line = Vec::new();
    for _ in 0..3 {
        line.extend(waiting(&shared, (), 1));
        tokio::time::advance(ms(1)).await;
    }
    drop(busy);
    jump(SHELF_LIFE).await;
    let busy: Vec<_> = (0..3).map(|_| shared.try_acquire(()).unwrap()).collect();
    let mut late = waiting(&shared, (), 1).remove(0);
    assert_pending!(line[2].poll());
    assert_pending!(line[1].poll());
    // The last of those who came back leaves; then the first of them comes back.
    let mut first = line.remove(0);
    drop(line.remove(1));
    assert_eq!(shared.snapshot().waiting, 2);
    assert_pending!(first.poll());
    drop(line);
    assert_eq!(shared.snapshot().waiting, 2);
    let mut busy = busy.into_iter();
    drop(busy.next());
    assert!(first.is_woken() && !late.is_woken());
    drop(assert_ready_ok!(first.poll()));
    drop(assert_ready_ok!(late.poll()));
    drop(busy);
    assert_eq!(ledger.held(), 0);
}

/// The permit of a rate is a token: it goes back into the bucket, and out again at once.
#[tokio::test(start_paused = true)]
async fn tokens_that_lapse_are_handed_on_without_loss_and_without_gain() {
    let (limiter, ledger) = Ledger::of(Tokens::new(3, ms(50)));
    let shared = Shared::new(limiter);
    drop(shared.try_acquire(3).unwrap().spend());
    let mut line = waiting(&shared, 1, 6);
    // Due after 50, 100, 150 ms; the first lapses at 150, the second at 200, ...
    jump(ms(50)).await;
    jump(ms(50)).await;
    assert_eq!(ledger.held(), 1 + 2);
    jump(ms(50)).await;
    let woken: Vec<_> = line.iter().map(task::Spawn::is_woken).collect();
    assert_eq!(woken, [true, true, true, true, false, false]);
    assert_eq!((ledger.taken(), ledger.cancelled()), (1 + 4, 1));
    assert_pending!(
        line[0].poll(),
        "it stands in line again, and nothing is left"
    );
    drop(line);
    settle().await;
    assert_eq!(ledger.held(), 1);
    assert_eq!(shared.snapshot().level, Some(3));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_too_late_was_given_nothing() {
    let (shared, ledger) = slots(1);
    let permit = shared.try_acquire(()).unwrap();
    let mut line = waiting(&shared, (), 2);
    drop(permit);
    // One jump over both shelf lives, as when the machine slept.
    jump(SHELF_LIFE * 5).await;
    assert!(line[1].is_woken());
    assert_pending!(line[0].poll());
    drop(assert_ready_ok!(line[1].poll()));
    drop(assert_ready_ok!(line[0].poll()));
    assert_eq!(ledger.held(), 0);
}
