use std::time::{Duration, Instant};

use super::Nepers;

/// Probes are made at multiples of this, so that clients make them together; of twice, four times …
/// as long for slower servers.
const STEP: Duration = Duration::from_nanos(5_000_000_000 / 64);

/// At most.
const LONGEST_STEP: Duration = STEP.saturating_mul(65_536);

/// A step is at least so many times the latency with little to do; or, if that would be more, [`COMMON`] seconds
/// and a few times the latency.
const LATENCIES: f64 = 50.0;
const FEW_LATENCIES: f64 = 8.0;
const COMMON: f64 = 5.0;

/// Everybody probes so often, in seconds; or once in so many steps, if that is longer.
const PERIOD: f64 = 80.0;
const REGULAR: u32 = 8;

/// Those who have reason to probe sooner do it at each third step: there must be time to learn in between.
const SOON: u32 = 3;

/// Within so many steps from the first call, nothing is known.
const EARLIEST: u32 = 3;

/// When to probe.
#[derive(Debug, Clone, Default)]
pub(super) struct Calendar {
    meeting: Option<Instant>,
    /// The steps are counted from then on: from the meeting, or from before now if it lies ahead.
    since: Option<Instant>,
    /// When a date was first asked for.
    first: Option<Instant>,
    /// There is no date before this one.
    next: Option<Instant>,
    /// How many probes are wanted soon.
    wanted: u32,
    /// Whether one is wanted at the next step.
    doubted: bool,
}

/// A time to probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Date {
    pub(super) at: Instant,
    pub(super) made_by_all: bool,
    /// Those make it who lately found another server.
    pub(super) is_wanted: bool,
    /// The time between two dates.
    pub(super) step: Duration,
}

impl Calendar {
    /// Counts the steps from this instant on.
    pub(super) fn meet(&mut self, at: Instant) {
        self.meeting = Some(at);
        self.since = None;
    }

    /// Whether there may be a date up to now.
    pub(super) fn has_date_by(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// The last date up to now, if there shall be a probe.
    pub(super) fn due(&mut self, now: Instant, latency: Option<Nepers>) -> Option<Date> {
        let since = self.since(now);
        let step = step(latency);
        let elapsed = now.saturating_duration_since(since);
        let index = u32::try_from(elapsed.as_nanos() / step.as_nanos()).unwrap_or(u32::MAX);
        let at = later(since, step.saturating_mul(index));
        self.next = Some(later(at, step));
        let made_by_all = index % regular(step) == 0;
        let is_wanted = self.wanted > 0 && index % SOON == 0;
        let earliest = later(self.first(now), step.saturating_mul(EARLIEST));
        let is_due = now >= earliest && (made_by_all || is_wanted || self.doubted);
        is_due.then_some(Date {
            at,
            step,
            made_by_all,
            is_wanted,
        })
    }

    fn since(&mut self, now: Instant) -> Instant {
        let meeting = self.meeting;
        let begin = || meeting.map_or(now, |at| begin(at, now));
        *self.since.get_or_insert_with(begin)
    }

    fn first(&mut self, now: Instant) -> Instant {
        *self.first.get_or_insert(now)
    }

    /// A probe is made.
    pub(super) fn keep(&mut self) {
        self.wanted = self.wanted.saturating_sub(1);
        self.doubted = false;
    }

    /// A probe shall be made at the next step.
    pub(super) fn doubt(&mut self) {
        self.doubted = true;
    }

    /// So many probes shall be made soon.
    pub(super) fn want(&mut self, probes: u32) {
        self.wanted = self.wanted.max(probes);
    }
}

/// The meeting; if that lies ahead, an instant with the same dates that doesn't.
fn begin(meeting: Instant, now: Instant) -> Instant {
    let period = LONGEST_STEP.saturating_mul(REGULAR * SOON);
    let ahead = meeting.saturating_duration_since(now).as_secs();
    let periods = u32::try_from(ahead / period.as_secs()).unwrap_or(u32::MAX);
    let back = period.saturating_mul(periods.saturating_add(1));
    let begin = if meeting > now {
        meeting.checked_sub(back)
    } else {
        None
    };
    begin.unwrap_or(meeting)
}

fn step(latency: Option<Nepers>) -> Duration {
    let latency = latency.map_or(0.0, f64::exp);
    let least = (LATENCIES * latency).min(COMMON);
    let least = least.max(FEW_LATENCIES * latency);
    let mut step = STEP;
    while step.as_secs_f64() < least && step < LONGEST_STEP {
        step *= 2;
    }
    step
}

/// How many steps there are from one probe that all make to the next.
fn regular(step: Duration) -> u32 {
    let steps = Duration::from_secs_f64(PERIOD).as_nanos() / step.as_nanos();
    u32::try_from(steps).unwrap_or_default().max(REGULAR)
}

/// So much later, or as late as the clock can tell.
pub(super) fn later(instant: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    let far = || instant.checked_add(FAR);
    instant
        .checked_add(duration)
        .or_else(far)
        .unwrap_or(instant)
}
