//! The line: who waits, and who was handed a permit and has not fetched it yet.
//!
//! Told the time, like a limiter: no lock, no clock, no timer here.

mod advance;
mod moves;
mod outlook;
mod slots;
mod waiter;
mod wakers;

use std::{
    task::Waker,
    time::{Duration, Instant},
};

pub(crate) use self::{
    outlook::Outlook,
    slots::Key,
    waiter::{Ask, Fetched, Patience},
    wakers::Wakers,
};
use self::{
    slots::{List, Slots},
    waiter::{Grant, Phase, Waiter},
};
use crate::{Cost, Limiter, Why};

/// How long a grant waits for its owner to send: 100 ms.
///
/// Then it goes to the next in line, and the owner is first when it asks again. Without it, permits
/// that were collected while a connection was stuck would leave as one burst, and a permit of a
/// concurrency limit could be held for ever by a request that nobody polls.
pub const SHELF_LIFE: Duration = Duration::from_millis(100);

/// The line of one limiter.
#[derive(Debug)]
pub(crate) struct Line<L: Limiter> {
    waiters: Slots<Waiter<L>>,
    /// Those who wait, in the order in which they came.
    waiting: List,
    /// The last of those at the front of the line who had a grant, let it lapse, and asked again.
    returned: Option<Key>,
    /// The shelf: grants that nobody has fetched yet.
    granted: List,
    /// Since when a grant had lain on the shelf whose owner has just left. Whoever gets it next
    /// inherits that, or it would stay fresh for as long as owners come and go.
    heirloom: Option<Instant>,
    /// What the grants on the shelf cost.
    shelved: <L::Cost as Cost>::Sum,
    /// What all who wait ask for.
    queued: <L::Cost as Cost>::Sum,
    len: usize,
    impatient: usize,
    /// When the last grant was due.
    last: Option<Instant>,
    /// When the first in line is due, if that is known.
    due: Option<Instant>,
    /// The wait has become longer: some may have to be told.
    review: bool,
    /// Something has changed since the line was looked at.
    changed: bool,
    /// When it must be looked at, if nothing changes until then.
    next_look: Option<Instant>,
}

impl<L: Limiter> Line<L> {
    pub(crate) fn new() -> Self {
        Self {
            waiters: Slots::new(),
            waiting: List::new(),
            returned: None,
            granted: List::new(),
            heirloom: None,
            shelved: Default::default(),
            queued: Default::default(),
            len: 0,
            impatient: 0,
            last: None,
            due: None,
            review: false,
            changed: false,
            next_look: None,
        }
    }

    /// Nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn queued(&self) -> <L::Cost as Cost>::Sum {
        self.queued
    }

    /// Whether it must be looked at: something is due, or has changed.
    #[inline]
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.changed || self.next_look.is_some_and(|at| at <= now)
    }

    /// The limiter has changed.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// When the line must be looked at next, if nothing changes until then.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.next_look
    }

    /// Stands at the end of the line.
    pub(crate) fn join(&mut self, ask: Ask<L::Cost>, now: Instant, waker: Option<Waker>) -> Key {
        // One who is neither first in line nor first to have a deadline changes nothing.
        self.changed |= self.is_empty() || ask.is_limited() && self.impatient == 0;
        let phase = Phase::Waiting(ask);
        let key = self.waiters.insert(Waiter {
            waker,
            since: now,
            phase,
        });
        self.waiters.push_back(&mut self.waiting, key);
        self.count_in(ask);
        key
    }

    /// Stands in line again after a grant that lapsed, ahead of all who joined after `joined`.
    pub(crate) fn rejoin(&mut self, key: Key, ask: Ask<L::Cost>, joined: Instant, waker: &Waker) {
        let Some(waiter) = self.waiters.get_mut(key) else {
            return;
        };
        waiter.waker = Some(waker.clone());
        waiter.since = joined;
        waiter.phase = Phase::Waiting(ask);
        let from = self.returned;
        self.waiters
            .push_sorted(&mut self.waiting, from, key, |other| other.since > joined);
        if self.returned.is_none() || self.waiters.prev(key) == from {
            self.returned = Some(key);
        }
        self.count_in(ask);
        self.touch();
    }

    /// Refuses one who let a grant lapse, and has come for another.
    pub(crate) fn turn_away(&mut self, key: Key, why: Why) {
        if let Some(waiter) = self.waiters.get_mut(key) {
            waiter.phase = Phase::Refused(why);
        }
    }

    /// Puts a permit that its owner can't use yet on the shelf, for the rest of its shelf life.
    pub(crate) fn shelve(&mut self, permit: L::Permit, cost: L::Cost, since: Instant) -> Key {
        let phase = Phase::Granted(Grant { permit, cost });
        let key = self.waiters.insert(Waiter {
            waker: None,
            since,
            phase,
        });
        self.lay_on_shelf(key, cost, since);
        self.touch();
        key
    }

    /// Looks whether a grant has come. The slot is free afterwards if it has, or if it was refused.
    pub(crate) fn fetch(&mut self, key: Key, waker: &Waker) -> Fetched<L::Permit> {
        match self.waiters.get_mut(key).map(|waiter| &waiter.phase) {
            Some(Phase::Waiting(_)) => {
                let replaced = self.set_waker(key, waker);
                return Fetched::Waiting { replaced };
            }
            Some(Phase::Lapsed) => return Fetched::Lapsed,
            Some(&Phase::Granted(Grant { cost, .. })) => self.unshelve(key, cost),
            Some(Phase::Refused(_)) | None => {}
        }
        match self
            .waiters
            .remove(key)
            .map(|waiter| (waiter.phase, waiter.since))
        {
            Some((Phase::Granted(Grant { permit, .. }), since)) => {
                Fetched::Granted { permit, since }
            }
            Some((Phase::Refused(why), _)) => Fetched::Refused(why),
            _ => Fetched::Lapsed,
        }
    }

    /// Leaves from wherever it stands. Returns the permit if one had been granted, and the waker, to
    /// be dropped without the lock.
    pub(crate) fn leave(&mut self, key: Key) -> (Option<L::Permit>, Option<Waker>) {
        match self
            .waiters
            .get(key)
            .map(|waiter| (&waiter.phase, waiter.since))
        {
            Some((&Phase::Waiting(ask), _)) => self.unlink(key, ask),
            Some((&Phase::Granted(Grant { cost, .. }), since)) => {
                self.unshelve(key, cost);
                self.bequeath(since);
            }
            _ => {}
        }
        match self
            .waiters
            .remove(key)
            .map(|waiter| (waiter.phase, waiter.waker))
        {
            Some((Phase::Granted(Grant { permit, .. }), waker)) => (Some(permit), waker),
            other => (None, other.and_then(|(_, waker)| waker)),
        }
    }

    /// Remembers that some may now have to wait for too long.
    pub(crate) fn review(&mut self) {
        self.review = self.impatient > 0;
        self.touch();
    }

    /// Everybody's waker, so that somebody sets the alarm again.
    pub(crate) fn wakers(&self) -> Vec<Waker> {
        let lists = [&self.waiting, &self.granted];
        let waiters = lists.into_iter().flat_map(|list| self.waiters.iter(list));
        waiters
            .filter_map(|(_, waiter)| waiter.waker.clone())
            .collect()
    }

    fn in_order(&self) -> impl Iterator<Item = (Key, &Waiter<L>)> {
        self.waiters.iter(&self.waiting)
    }

    fn head(&self) -> Option<(Key, Instant, Ask<L::Cost>)> {
        let key = self.waiting.front()?;
        let (since, ask) = self.waiting_at(key)?;
        Some((key, since, ask))
    }

    /// Since when one waits, and for what.
    fn waiting_at(&self, key: Key) -> Option<(Instant, Ask<L::Cost>)> {
        let waiter = self.waiters.get(key)?;
        match waiter.phase {
            Phase::Waiting(ask) => Some((waiter.since, ask)),
            _ => None,
        }
    }

    fn front(&self, list: &List) -> Option<(Key, &Waiter<L>)> {
        let key = list.front()?;
        Some((key, self.waiters.get(key)?))
    }
}
