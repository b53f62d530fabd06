use std::{
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use super::{
    alarm::{Armed, Runtime},
    events::News,
    turnstile::{Entered, Told},
};
use crate::{
    Cost, Limiter, Queue, Rejected, Snapshot, Wait, Why, clock,
    line::{Ask, Key, Line, Outlook, Patience, Wakers},
    rejected::Details,
};

/// Who rings for those who wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ears {
    /// The runtime whose timer rings first, and in time.
    pub(super) listening: Option<Runtime>,
    /// Somebody waits for a time that has to come.
    pub(super) by_the_clock: bool,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct State<L: Limiter> {
    pub(super) limiter: L,
    pub(super) line: Line<L>,
    pub(super) name: Option<Arc<str>>,
    /// What the alarm is set to, as far as anybody knows.
    pub(super) armed: Option<Instant>,
    /// The runtime of the timer that rings first.
    pub(super) listening: Option<Runtime>,
    /// What the lane was opened with.
    pub(super) opened: Option<Instant>,
    /// How many passed by the turnstile, as far as the limiter knows.
    pub(super) told: Told,
}

impl<L: Limiter> State<L> {
    pub(super) fn new(limiter: L) -> Self {
        Self {
            limiter,
            line: Line::new(),
            name: None,
            armed: None,
            listening: None,
            opened: None,
            told: 0,
        }
    }

    /// Tells the limiter who has passed by the turnstile.
    #[inline]
    pub(super) fn count_in(&mut self, count: impl FnOnce(&mut Told) -> Option<Entered>) {
        if let Some((requests, era)) = count(&mut self.told) {
            self.limiter.entered(requests, era);
        }
    }

    /// Takes a permit if nobody waits and the limiter has one.
    #[inline]
    pub(super) fn take_if_free(&mut self, cost: L::Cost, now: Instant) -> Option<L::Permit> {
        let free = self.line.is_empty() && self.limiter.check(&cost, now) == Wait::Now;
        free.then(|| self.limiter.take(cost, now))
    }

    pub(super) fn advance(&mut self, now: Instant, queue: &Queue, wakers: &mut Wakers) -> bool {
        let Self { line, limiter, .. } = self;
        line.advance(limiter, now, queue.longest_wait(), wakers)
    }

    /// Why one who asks now may not stand in line.
    pub(super) fn refusal(
        &self,
        ask: Ask<L::Cost>,
        now: Instant,
        queue: &Queue,
    ) -> Option<Rejected> {
        if ask.patience == Patience::Endless {
            return None;
        }
        let why = self.objection(&ask.cost, now, queue)?;
        Some(self.rejected(why, &ask.cost, now, now, queue))
    }

    /// One whose grant lapsed asks again: it is refused as a newcomer would be, or stands in line.
    pub(super) fn rejoin(
        &mut self,
        key: Key,
        ask: Ask<L::Cost>,
        joined: Instant,
        now: Instant,
        waker: &Waker,
    ) {
        let refusal = self.outlook(&ask.cost, now).refusal();
        match refusal.filter(|_| ask.patience == Patience::Limited) {
            Some(why) => self.line.turn_away(key, why),
            None => self.line.rejoin(key, ask, joined, waker),
        }
    }

    /// The refusal of one who doesn't wait at all.
    pub(super) fn refusal_to_wait(&self, cost: &L::Cost, now: Instant) -> Rejected {
        let queue = Queue::new().max_wait(Duration::ZERO);
        let why = self.objection(cost, now, &queue);
        self.rejected(why.unwrap_or(Why::TooLong), cost, now, now, &queue)
    }

    fn objection(&self, cost: &L::Cost, now: Instant, queue: &Queue) -> Option<Why> {
        let objection = match queue.longest_wait() {
            // Nobody needs to know how long the wait would be.
            None => self.limiter.check(cost, now).refusal(),
            Some(Duration::ZERO) => Some(self.outlook(cost, now).refusal().unwrap_or(Why::TooLong)),
            max_wait => self.outlook(cost, now).objection(now, max_wait),
        };
        let full = !queue.has_room(self.line.len());
        objection.or(full.then_some(Why::Full))
    }

    pub(super) fn rejected(
        &self,
        why: Why,
        cost: &L::Cost,
        joined: Instant,
        now: Instant,
        queue: &Queue,
    ) -> Rejected {
        let at = self.outlook(cost, now).at().filter(|_| why != Why::Never);
        let retry_after = at.map(|at| at.saturating_duration_since(now));
        Rejected::new(Details {
            why,
            name: self.name.clone(),
            retry_after,
            waited: now.saturating_duration_since(joined),
            max_wait: queue.longest_wait(),
            snapshot: self.snapshot(now),
        })
    }

    /// What one who asks now has to expect.
    pub(super) fn outlook(&self, cost: &L::Cost, now: Instant) -> Outlook {
        Outlook::of(&self.limiter, self.line.queued(), cost, now)
    }

    /// What the limiter has to report, and its name.
    pub(super) fn news(&mut self) -> Option<News> {
        Some((self.limiter.report()?, self.name.clone()))
    }

    pub(super) fn snapshot(&self, now: Instant) -> Snapshot {
        let mut snapshot = Snapshot {
            waiting: self.line.len(),
            waiting_cost: L::Cost::tokens(self.line.queued()),
            ..Snapshot::default()
        };
        self.limiter.describe(&mut snapshot, now);
        snapshot
    }

    /// Whether the alarm must be set, or set to an earlier time. One that rings too early does no
    /// harm: it is set again then.
    pub(super) fn needs_alarm(&self) -> bool {
        let target = self.line.next_look();
        target.is_some_and(|target| self.armed.is_none_or(|armed| target < armed))
    }

    /// Who will ring, as far as is known here and now.
    pub(super) fn ears(&self, max_wait: Option<Duration>) -> Ears {
        Ears {
            listening: self.listening.filter(|_| !self.needs_alarm()),
            by_the_clock: self.line.waits_by_the_clock(max_wait),
        }
    }

    /// What to set the alarm to: far ahead if nothing is due. `None` if nobody waits.
    pub(super) fn arm(&mut self, now: Instant) -> Option<Instant> {
        self.armed = self.line.next_look();
        if self.armed.is_none() && self.line.is_empty() {
            self.listening = None;
            return None;
        }
        Some(self.armed.unwrap_or_else(|| clock::far_after(now)))
    }

    /// The alarm was set, or not.
    pub(super) fn armed(&mut self, armed: Armed, here: Option<Runtime>) {
        match armed {
            Armed::Set => {}
            Armed::Listening => self.listening = here,
            Armed::Due => self.armed = None,
            Armed::Lost => {
                self.armed = None;
                self.listening = None;
            }
        }
    }
}
