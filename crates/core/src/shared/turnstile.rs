//! The fast lane of those who count what is in flight: while nobody waits, places are one number.

use crate::{
    Room,
    sync::{AtomicU64, Ordering},
};

/// Lets requests pass without the lock, as long as there are places.
///
/// Only the owner of the lock opens it, closes it and adds places, and nobody stands in line while it
/// is open; so the line is never overtaken. While it is open it takes no place back: whoever wants fewer
/// closes it first. So calls that end leave it open, and take one lock and nothing else.
#[derive(Debug)]
pub(super) struct Turnstile {
    /// How many have passed, twice; and one while it is open. To close it counts as one who passes, so
    /// that nobody passes who looked at it before it was closed.
    word: AtomicU64,
    /// Up to how many may pass.
    bound: AtomicU64,
    /// How many may be in flight.
    limit: AtomicU64,
    era: AtomicU64,
}

/// How many have passed of whom the limiter was told; guarded by the lock.
pub(super) type Told = u64;

/// Those who have passed, and the era in which they did.
pub(super) type Entered = (u32, u64);

impl Turnstile {
    pub(super) fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            bound: AtomicU64::new(0),
            limit: AtomicU64::new(0),
            era: AtomicU64::new(0),
        }
    }

    /// Takes a place if it is open and one is free. Returns the room as it is then.
    #[inline]
    pub(super) fn pass(&self) -> Option<Room> {
        let mut word = self.word.load(Ordering::Acquire);
        while is_open(word) {
            let bound = self.bound.load(Ordering::Acquire);
            let free = bound.saturating_sub(count(word)).checked_sub(1)?;
            let limit = self.limit.load(Ordering::Relaxed);
            let era = self.era.load(Ordering::Relaxed);
            let swapped = self.word.compare_exchange_weak(
                word,
                word.wrapping_add(2),
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match swapped {
                Ok(_) => return Some(room(free, limit.saturating_sub(free), era)),
                Err(other) => word = other,
            }
        }
        None
    }

    /// Those who have passed since the limiter was last told, if there are any.
    #[inline]
    pub(super) fn entered(&self, told: &mut Told) -> Option<Entered> {
        let word = self.word.load(Ordering::Acquire);
        if !is_open(word) {
            return None;
        }
        self.tell(count(word), told)
    }

    /// Closes it. Returns what [`entered`](Self::entered) does.
    #[inline]
    pub(super) fn close(&self, told: &mut Told) -> Option<Entered> {
        if !is_open(self.word.load(Ordering::Relaxed)) {
            return None;
        }
        let entered = self.tell(count(self.word.fetch_add(1, Ordering::AcqRel)), told);
        *told += 1;
        entered
    }

    fn tell(&self, passed: u64, told: &mut Told) -> Option<Entered> {
        let entered = u32::try_from(passed - *told).unwrap_or(u32::MAX);
        *told = passed;
        (entered > 0).then(|| (entered, self.era.load(Ordering::Relaxed)))
    }

    /// Opens it when it is closed.
    pub(super) fn open(&self, room: Room, told: Told) {
        self.set(room, told);
        self.era.store(room.era, Ordering::Relaxed);
        self.word.store(2 * told + 1, Ordering::Release);
    }

    /// Adds places while it is open. False if it is closed, or there would be fewer than before.
    #[inline]
    pub(super) fn extend(&self, room: Room, told: Told) -> bool {
        let grows = is_open(self.word.load(Ordering::Relaxed))
            && told + u64::from(room.free) >= self.bound.load(Ordering::Relaxed)
            && room.era == self.era.load(Ordering::Relaxed);
        if grows {
            self.set(room, told);
        }
        grows
    }

    #[inline]
    fn set(&self, room: Room, told: Told) {
        let limit = u64::from(room.free) + u64::from(room.in_flight);
        let bound = told + u64::from(room.free);
        self.limit.store(limit, Ordering::Relaxed);
        self.bound.store(bound, Ordering::Release);
    }
}

fn room(free: u64, in_flight: u64, era: u64) -> Room {
    Room {
        free: u32::try_from(free).unwrap_or(u32::MAX),
        in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
        era,
    }
}

const fn is_open(word: u64) -> bool {
    word % 2 == 1
}

/// How many have passed.
const fn count(word: u64) -> u64 {
    word / 2
}
