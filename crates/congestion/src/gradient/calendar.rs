use std::time::{Duration, Instant};

use super::{Nepers, baseline::Baseline, gloom::Gloom};

/// Probes are made at multiples of this, so that clients make them together; of twice, four times …
/// as long for slow servers.
const STEP: Duration = Duration::from_secs(5);

/// A step is at least so many latencies.
const LATENCIES: f64 = 8.0;

/// Everybody probes at each eighth step, and at the first, second and fourth.
const REGULAR: u32 = 8;

/// When to probe.
#[derive(Debug, Clone, Default)]
pub(super) struct Calendar {
    meeting: Option<Instant>,
    /// The date of the last probe.
    last: Option<Instant>,
    /// There is no date before this one.
    next: Option<Instant>,
    /// One who doubts the baseline probes at each step, then at each second, fourth, eighth.
    stride: u32,
}

/// A time to probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Date {
    pub(super) at: Instant,
    pub(super) made_by_all: bool,
    /// The time between two dates.
    pub(super) step: Duration,
}

impl Calendar {
    /// Counts the steps from this instant on.
    pub(super) fn from(meeting: Instant) -> Self {
        Self {
            meeting: Some(meeting),
            ..Self::default()
        }
    }

    /// Whether there may be a date up to now.
    pub(super) fn has_date_by(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// The date that is due, if one is.
    pub(super) fn due(
        &mut self,
        now: Instant,
        latency: Option<Nepers>,
        anxious: Anxiety,
    ) -> Option<Date> {
        let meeting = *self.meeting.get_or_insert(now);
        let step = step(latency);
        let elapsed = now.saturating_duration_since(meeting);
        let index = u32::try_from(elapsed.as_nanos() / step.as_nanos()).unwrap_or(u32::MAX);
        let at = later(meeting, step.saturating_mul(index));
        self.next = Some(later(at, step));
        let made_by_all = index % REGULAR == 0 || index < REGULAR && index.is_power_of_two();
        let due = match anxious {
            _ if index == 0 || self.last == Some(at) => false,
            Anxiety::Calm => made_by_all,
            Anxiety::Doubt => made_by_all || index % self.stride.max(1) == 0,
            Anxiety::Young => true,
        };
        due.then_some(Date {
            at,
            step,
            made_by_all,
        })
    }

    /// A probe is made. The next one of those who doubt comes later.
    pub(super) fn keep(&mut self, date: &Date) {
        self.last = Some(date.at);
        self.stride = self.stride.max(1).saturating_mul(2).min(REGULAR);
    }

    /// Something has happened: those who doubt needn't wait so long from now on.
    pub(super) fn hurry(&mut self) {
        self.stride = 1;
    }

    /// There is a doubt: if the last date was passed over, it is made up for.
    pub(super) fn look_again(&mut self) {
        self.hurry();
        self.next = None;
    }
}

/// How sure a client is of its baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anxiety {
    Calm,
    /// The server has been too slow for too long.
    Doubt,
    /// There is none yet, or a first one.
    Young,
}

impl Anxiety {
    pub(super) fn of(baseline: &Baseline, gloom: &Gloom) -> Self {
        if baseline.is_young() {
            Self::Young
        } else if gloom.is_doubt() {
            Self::Doubt
        } else {
            Self::Calm
        }
    }
}

fn step(latency: Option<Nepers>) -> Duration {
    let least = latency.map_or(0.0, |latency| LATENCIES * latency.exp());
    let mut step = STEP;
    while step.as_secs_f64() < least && step < STEP * 1024 {
        step *= 2;
    }
    step
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
