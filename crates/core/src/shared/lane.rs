//! The fast lane: while nobody waits, a rate is one number.

use std::time::{Duration, Instant};

use crate::{
    Pace,
    sync::{AtomicU64, Ordering},
};

/// A bucket as the generic cell rate algorithm sees it: the instant at which it will be full.
///
/// Requests pass by it without the lock, while it is open. Only the owner of the lock opens and
/// closes it, and nobody stands in line while it is open; so the line is never overtaken.
///
/// A request that is about to pass when the settings change may pass by the old ones.
#[derive(Debug)]
pub(super) struct Lane {
    /// In nanoseconds since `origin`; [`CLOSED`] while the limiter itself is to be asked.
    full_at: AtomicU64,
    /// Nanoseconds per token.
    interval: AtomicU64,
    /// Nanoseconds to fill an empty bucket.
    span: AtomicU64,
    origin: Instant,
}

const CLOSED: u64 = u64::MAX;

/// No time is longer: about 292 years. Sums of two don't overflow.
const LONGEST: u64 = u64::MAX / 2;

impl Lane {
    pub(super) fn new(origin: Instant) -> Self {
        Self {
            full_at: AtomicU64::new(CLOSED),
            interval: AtomicU64::new(0),
            span: AtomicU64::new(0),
            origin,
        }
    }

    /// Takes tokens if it is open and they are there.
    #[inline]
    pub(super) fn take(&self, tokens: u64, now: Instant) -> bool {
        let mut full_at = self.full_at.load(Ordering::Acquire);
        if full_at == CLOSED {
            return false;
        }
        let now = self.nanos_at(now);
        loop {
            let cost = tokens.saturating_mul(self.interval.load(Ordering::Relaxed));
            let latest = now + self.span.load(Ordering::Relaxed);
            let next = full_at.max(now).saturating_add(cost);
            if next > latest {
                return false;
            }
            let swapped = self.full_at.compare_exchange_weak(
                full_at,
                next,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match swapped {
                Ok(_) => return true,
                // Closed is later than anything.
                Err(other) => full_at = other,
            }
        }
    }

    /// Opens it, unless the bucket takes longer to fill than can be counted. Returns what
    /// [`close`](Self::close) will say if nobody passes.
    pub(super) fn open(&self, pace: Pace) -> Option<Instant> {
        let interval = nanos(pace.interval);
        let span = interval.checked_mul(u64::from(pace.burst))?;
        if span > LONGEST {
            return None;
        }
        self.interval.store(interval, Ordering::Relaxed);
        self.span.store(span, Ordering::Relaxed);
        let full_at = self.nanos_at(pace.full_at);
        self.full_at.store(full_at, Ordering::Release);
        Some(self.instant_at(full_at))
    }

    /// Closes it. Returns when the bucket will be full, if it was open.
    #[inline]
    pub(super) fn close(&self) -> Option<Instant> {
        if self.full_at.load(Ordering::Relaxed) == CLOSED {
            return None;
        }
        let full_at = self.full_at.swap(CLOSED, Ordering::AcqRel);
        Some(self.instant_at(full_at))
    }

    fn nanos_at(&self, instant: Instant) -> u64 {
        nanos(instant.saturating_duration_since(self.origin))
    }

    fn instant_at(&self, nanos: u64) -> Instant {
        self.origin + Duration::from_nanos(nanos)
    }
}

fn nanos(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1_000_000_000);
    let nanos = whole.saturating_add(u64::from(duration.subsec_nanos()));
    nanos.min(LONGEST)
}
