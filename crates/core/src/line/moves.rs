//! How those who wait, and grants, move from list to list.

use std::{task::Waker, time::Instant};

use super::{Ask, Key, Line, Phase, Wakers};
use crate::{Cost, Limiter};

impl<L: Limiter> Line<L> {
    /// Takes one who waits out of the line.
    pub(super) fn unlink(&mut self, key: Key, ask: Ask<L::Cost>) {
        if self.returned == Some(key) {
            self.returned = self.waiters.prev(key);
        }
        self.waiters.unlink(&mut self.waiting, key);
        ask.cost.take_from(&mut self.queued);
        self.len -= 1;
        self.impatient -= usize::from(ask.is_limited());
    }

    /// Puts a grant among the others, the oldest of which lapses first.
    pub(super) fn lay_on_shelf(&mut self, key: Key, cost: L::Cost, since: Instant) {
        let from = self.granted.back();
        self.waiters
            .push_sorted(&mut self.granted, from, key, |other| other.since > since);
        cost.add_to(&mut self.shelved);
    }

    /// Leaves to those who wait what has lain on the shelf since `since`.
    pub(super) fn bequeath(&mut self, since: Instant) {
        let oldest = self.heirloom.map_or(since, |other| other.min(since));
        self.heirloom = Some(oldest).filter(|_| !self.is_empty());
    }

    /// Takes a grant from the shelf.
    pub(super) fn unshelve(&mut self, key: Key, cost: L::Cost) {
        self.waiters.unlink(&mut self.granted, key);
        cost.take_from(&mut self.shelved);
    }

    pub(super) fn count_in(&mut self, ask: Ask<L::Cost>) {
        ask.cost.add_to(&mut self.queued);
        self.len += 1;
        self.impatient += usize::from(ask.is_limited());
    }

    /// Puts a waiter into a phase. Returns the one it leaves.
    pub(super) fn enter(&mut self, key: Key, phase: Phase<L>, now: Instant) -> Option<Phase<L>> {
        let waiter = self.waiters.get_mut(key)?;
        waiter.since = now;
        Some(std::mem::replace(&mut waiter.phase, phase))
    }

    pub(super) fn set_waker(&mut self, key: Key, waker: &Waker) -> Option<Waker> {
        let known = &mut self.waiters.get_mut(key)?.waker;
        match known {
            Some(known) if known.will_wake(waker) => None,
            _ => known.replace(waker.clone()),
        }
    }

    pub(super) fn wake(&mut self, key: Key, wakers: &mut Wakers) {
        let waiter = self.waiters.get_mut(key);
        if let Some(waker) = waiter.and_then(|waiter| waiter.waker.take()) {
            wakers.push(waker);
        }
    }
}
