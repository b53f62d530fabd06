use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tower_throttle_core::{Cost, Limiter, Snapshot, Wait};

/// What a limiter was asked to do.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Entries {
    pub(crate) taken: usize,
    pub(crate) cancelled: usize,
    pub(crate) completed: usize,
    /// Completed without feedback.
    pub(crate) lost: usize,
    /// The dates of the grants.
    pub(crate) dates: Vec<Instant>,
}

/// The book that a [`Recorded`] limiter is entered into. Reading it touches neither lock nor line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Entries>>);

impl Ledger {
    /// Writes down what happens to `limiter`.
    pub(crate) fn of<L: Limiter>(limiter: L) -> (Recorded<L>, Self) {
        let ledger = Self::default();
        let book = ledger.clone();
        (Recorded { limiter, book }, ledger)
    }

    pub(crate) fn taken(&self) -> usize {
        self.entries().taken
    }

    pub(crate) fn cancelled(&self) -> usize {
        self.entries().cancelled
    }

    pub(crate) fn completed(&self) -> usize {
        self.entries().completed
    }

    pub(crate) fn lost(&self) -> usize {
        self.entries().lost
    }

    /// Permits that are out.
    pub(crate) fn held(&self) -> usize {
        let Entries {
            taken,
            cancelled,
            completed,
            lost,
            ..
        } = *self.entries();
        taken - cancelled - completed - lost
    }

    /// How long after `start` each grant was dated.
    pub(crate) fn dates(&self, start: Instant) -> Vec<Duration> {
        let entries = self.entries();
        entries.dates.iter().map(|&date| date - start).collect()
    }

    pub(crate) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap()
    }
}

/// A limiter whose every deed is written down.
#[derive(Debug, Clone)]
pub(crate) struct Recorded<L> {
    pub(crate) limiter: L,
    book: Ledger,
}

impl<L: Limiter + fmt::Debug> Limiter for Recorded<L> {
    type Cost = L::Cost;
    type Permit = L::Permit;
    type Feedback = L::Feedback;
    const COMPLETES: bool = L::COMPLETES;
    const MAX_LAG: Duration = L::MAX_LAG;

    fn check(&self, cost: &L::Cost, now: Instant) -> Wait {
        self.limiter.check(cost, now)
    }

    fn take(&mut self, cost: L::Cost, at: Instant) -> L::Permit {
        let mut entries = self.book.entries();
        entries.taken += 1;
        entries.dates.push(at);
        drop(entries);
        self.limiter.take(cost, at)
    }

    fn cancel(&mut self, permit: L::Permit, now: Instant) {
        self.book.entries().cancelled += 1;
        self.limiter.cancel(permit, now);
    }

    fn lapse(&mut self, permit: L::Permit, shelved: <L::Cost as Cost>::Sum, now: Instant) {
        self.book.entries().cancelled += 1;
        self.limiter.lapse(permit, shelved, now);
    }

    fn complete(&mut self, permit: L::Permit, feedback: Option<L::Feedback>, now: Instant) {
        match feedback {
            Some(_) => self.book.entries().completed += 1,
            None => self.book.entries().lost += 1,
        }
        self.limiter.complete(permit, feedback, now);
    }

    fn predict(&self, ahead: <L::Cost as Cost>::Sum, cost: &L::Cost, now: Instant) -> Wait {
        self.limiter.predict(ahead, cost, now)
    }

    fn describe(&self, snapshot: &mut Snapshot, now: Instant) {
        self.limiter.describe(snapshot, now);
    }
}
