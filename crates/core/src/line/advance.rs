//! What happens when the line is looked at.

use std::time::{Duration, Instant};

use super::{Ask, Grant, Key, Line, Outlook, Phase, SHELF_LIFE, Wakers};
use crate::{Cost, LAG, Limiter, Wait, Why, clock};

/// Who must be refused when.
type Deadline<C> = ((Key, Ask<C>), Instant);

impl<L: Limiter> Line<L> {
    /// Does all that is due at `now`: takes back what was not fetched, grants, refuses.
    ///
    /// Returns false if `wakers` filled up first: wake them and call again.
    #[must_use]
    pub(crate) fn advance(
        &mut self,
        limiter: &mut L,
        now: Instant,
        max_wait: Option<Duration>,
        wakers: &mut Wakers,
    ) -> bool {
        if !self.is_due(now) {
            return true;
        }
        self.lapse(limiter, now);
        let done = self.grant(limiter, now, wakers)
            && self.expire(now, max_wait, wakers)
            && self.refuse_hopeless(limiter, now, max_wait, wakers);
        self.changed = !done;
        self.heirloom = self.heirloom.filter(|_| !done);
        self.next_look = self.earliest_look(max_wait);
        done
    }

    fn earliest_look(&self, max_wait: Option<Duration>) -> Option<Instant> {
        let shelf = self.front(&self.granted).map(|(_, first)| first.since);
        let shelf = shelf.map(|since| clock::saturating_add(since, SHELF_LIFE));
        let deadline = self.first_deadline(max_wait).map(|(_, deadline)| deadline);
        [self.due, shelf, deadline].into_iter().flatten().min()
    }

    /// Whether some wait for a time that has to come.
    pub(crate) fn waits_by_the_clock(&self, max_wait: Option<Duration>) -> bool {
        self.due.is_some() || max_wait.is_some_and(|_| self.impatient > 0)
    }

    /// Takes back grants whose shelf life is over.
    fn lapse(&mut self, limiter: &mut L, now: Instant) {
        while let Some((key, waiter)) = self.front(&self.granted) {
            if now < clock::saturating_add(waiter.since, SHELF_LIFE) {
                break;
            }
            let Some(Phase::Granted(grant)) = self.enter(key, Phase::Lapsed, now) else {
                break;
            };
            self.unshelve(key, grant.cost);
            limiter.lapse(grant.permit, self.shelved, now);
        }
    }

    /// Grants from the head of the line, each dated when it was due.
    fn grant(&mut self, limiter: &mut L, now: Instant, wakers: &mut Wakers) -> bool {
        self.due = None;
        while let Some((key, since, ask)) = self.head() {
            if wakers.is_full() {
                return false;
            }
            match self.date(limiter, &ask.cost, since, now) {
                Ok(at) => {
                    // First, since it may panic: a waiter taken out of the line twice would tear it.
                    let permit = limiter.take(ask.cost, at);
                    self.last = Some(at);
                    self.unlink(key, ask);
                    let cost = ask.cost;
                    let since = self.heirloom.map_or(now, |since| since.min(now));
                    self.enter(key, Phase::Granted(Grant { permit, cost }), since);
                    self.lay_on_shelf(key, cost, since);
                    self.wake(key, wakers);
                }
                Err(wait) => match wait.refusal().filter(|_| ask.is_limited()) {
                    Some(why) => self.refuse(key, ask, why, now, wakers),
                    None => {
                        self.due = wait.at().map(|at| ask_again(at, now));
                        break;
                    }
                },
            }
        }
        true
    }

    /// The date of a grant to one who waits since `since`, or what it waits for.
    fn date(
        &self,
        limiter: &L,
        cost: &L::Cost,
        since: Instant,
        now: Instant,
    ) -> Result<Instant, Wait> {
        let mut at = self.earliest(since, now);
        let mut refused = false;
        loop {
            match limiter.check(cost, at) {
                Wait::Now => return Ok(at),
                Wait::Until(due) if due <= now => return Ok(due.max(at)),
                // The end of a refusal is no promise: then it is asked again, and after that now.
                Wait::Refuse(end) if at < end && end <= now => {
                    at = if refused { now } else { end };
                    refused = true;
                }
                wait => return Err(wait),
            }
        }
    }

    /// The earliest date for a grant to one who waits since `since`: not before it came, not before
    /// the grant ahead of it, and not further back than the limiter allows.
    fn earliest(&self, since: Instant, now: Instant) -> Instant {
        let lag = now.checked_sub(L::MAX_LAG).unwrap_or(since);
        self.last
            .map_or(since, |last| last.max(since))
            .max(lag)
            .min(now)
    }

    /// Refuses those whose time is up.
    fn expire(&mut self, now: Instant, max_wait: Option<Duration>, wakers: &mut Wakers) -> bool {
        while let Some(((key, ask), deadline)) = self.first_deadline(max_wait) {
            if now < deadline {
                break;
            }
            if wakers.is_full() {
                return false;
            }
            self.refuse(key, ask, Why::TooLong, now, wakers);
        }
        true
    }

    /// Refuses those who would now have to wait for too long, or for ever.
    fn refuse_hopeless(
        &mut self,
        limiter: &L,
        now: Instant,
        max_wait: Option<Duration>,
        wakers: &mut Wakers,
    ) -> bool {
        let mut ahead = <L::Cost as Cost>::Sum::default();
        let mut next = self.waiting.front().filter(|_| self.review);
        while let Some(key) = next {
            next = self.waiters.next(key);
            let Some((since, ask)) = self.waiting_at(key) else {
                continue;
            };
            let outlook = Outlook::of(limiter, ahead, &ask.cost, now);
            match outlook
                .objection(since, max_wait)
                .filter(|_| ask.is_limited())
            {
                None => ask.cost.add_to(&mut ahead),
                Some(_) if wakers.is_full() => return false,
                Some(why) => self.refuse(key, ask, why, now, wakers),
            }
        }
        self.review = false;
        true
    }

    /// The first in line who can be refused, and when it must be.
    fn first_deadline(&self, max_wait: Option<Duration>) -> Option<Deadline<L::Cost>> {
        let max_wait = max_wait.filter(|_| self.impatient > 0)?;
        let mut waiters = self.in_order();
        let (who, since) = waiters.find_map(|(key, waiter)| match waiter.phase {
            Phase::Waiting(ask) if ask.is_limited() => Some(((key, ask), waiter.since)),
            _ => None,
        })?;
        // A wait without end has no deadline, and neither has any after it.
        Some((who, since.checked_add(max_wait)?))
    }

    fn refuse(&mut self, key: Key, ask: Ask<L::Cost>, why: Why, now: Instant, wakers: &mut Wakers) {
        self.unlink(key, ask);
        self.enter(key, Phase::Refused(why), now);
        self.wake(key, wakers);
    }
}

/// When to ask again one who says that nobody passes before `at`. If that is over, it has broken its
/// word: it is asked now and then, not again and again.
fn ask_again(at: Instant, now: Instant) -> Instant {
    if at > now {
        at
    } else {
        clock::saturating_add(now, LAG)
    }
}
