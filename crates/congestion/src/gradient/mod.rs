//! The default estimator.

mod baseline;
mod calendar;
mod climb;
mod probe;
mod window;

use std::time::{Duration, Instant};

use self::{
    baseline::{Baseline, NEWS, News},
    calendar::{Anxiety, Calendar, Date},
    climb::Climb,
    probe::{Probe, Progress},
    window::Window,
};
use crate::{Bounds, Cause, Change, Estimator, Sample, dice::Dice};

/// A logarithm of seconds, or of a ratio of latencies: 0.1 is ten per cent, nearly.
type Nepers = f64;

/// Finds the limit at which the server is so much slower than with little to do that more in flight
/// would mean waiting rather than work.
#[derive(Debug, Clone)]
pub struct Gradient {
    tolerance: Nepers,
    calendar: Calendar,
    baseline: Baseline,
    /// The lowest latency of a window, while there is no baseline.
    lowest: Option<Nepers>,
    window: Window,
    /// Smoothed over windows.
    latency: Option<Nepers>,
    climb: Climb,
    gloom: Gloom,
    probe: Option<Probe>,
    resume_at: Option<Instant>,
    dice: Dice,
}

/// How much slower the server may be than with little to do.
const TOLERANCE: f64 = 1.53;

/// The weight of the last window in the latency.
const SMOOTHING: f64 = 0.5;

/// The limit is at most so many times what was in flight at most (failsafe-go's `maxLimitFactor`).
const UNUSED: f64 = 5.0;

impl Gradient {
    /// Tolerates latencies of one and a half times those of a server with little to do.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tolerance: TOLERANCE.ln(),
            calendar: Calendar::default(),
            baseline: Baseline::default(),
            lowest: None,
            window: Window::default(),
            latency: None,
            climb: Climb::new(),
            gloom: Gloom::default(),
            probe: None,
            resume_at: None,
            dice: Dice::default(),
        }
    }

    /// An instant that all clients of the server agree on, so that they probe together. Default: the
    /// first call.
    #[must_use]
    pub fn meeting(mut self, at: Instant) -> Self {
        self.calendar = Calendar::from(at);
        self
    }

    fn anxiety(&self) -> Anxiety {
        if self.baseline.is_young() {
            Anxiety::Young
        } else if self.gloom.is_doubt() {
            Anxiety::Doubt
        } else {
            Anxiety::Calm
        }
    }

    fn probe(&mut self, date: &Date, limit: f64, now: Instant) -> Change {
        let calls = match self.anxiety() {
            Anxiety::Young => probe::FIRST,
            Anxiety::Doubt => probe::DOUBTFUL,
            Anxiety::Calm => probe::REGULAR,
        };
        let latency = self.window.latency().or(self.latency);
        let latency = latency.or(self.baseline.latency()).unwrap_or_default();
        let probe = Probe::start(date, now, latency, limit, calls, &mut self.dice);
        self.calendar.keep(date);
        self.resume_at = Some(probe.resume_at());
        let change = Change::new(probe.in_flight(), Cause::Probe);
        self.probe = Some(probe);
        change
    }

    fn probing(&mut self, mut probe: Probe, sample: &Sample, bounds: Bounds) -> Option<Change> {
        let progress = probe.learn(sample, &mut self.dice);
        self.resume_at = Some(probe.resume_at());
        match progress {
            Progress::Going if probe.is_stuck(sample.finished) => {
                Some(self.resume(&probe, sample.finished))
            }
            Progress::Going => {
                self.probe = Some(probe);
                None
            }
            Progress::Done(calls, latency) => {
                let change = self.resume(&probe, sample.finished);
                let news = latency
                    .map(|latency| self.baseline.read(latency, calls, probe.is_made_by_all()));
                Some(self.heed(news, change, bounds))
            }
        }
    }

    /// Goes on where it was interrupted by a probe.
    fn resume(&mut self, probe: &Probe, now: Instant) -> Change {
        self.window = Window::after(now.max(probe.resume_at()));
        self.gloom.lift(self.latency.take());
        self.climb.again();
        Change::new(probe.restore(), Cause::Probe)
    }

    fn heed(&mut self, news: Option<News>, change: Change, bounds: Bounds) -> Change {
        match news {
            Some(News::Lower) => self.anew(bounds),
            Some(News::Higher) => {
                self.calendar.hurry();
                change
            }
            Some(News::Old) | None => change,
        }
    }

    /// Finds the limit anew, from below.
    fn anew(&mut self, bounds: Bounds) -> Change {
        self.calendar.hurry();
        self.climb = Climb::new();
        self.latency = None;
        Change::new(f64::from(bounds.min), Cause::Probe)
    }

    fn close(&mut self, limit: f64, bounds: Bounds, now: Instant) -> Change {
        let window = std::mem::replace(&mut self.window, Window::after(now));
        let mut next = Change::new(limit, Cause::Room);
        if let Some(latency) = window.latency() {
            if self.baseline.observe(latency) == News::Lower {
                return self.anew(bounds);
            }
            next = self.follow(latency, limit, &window);
        }
        let dropped = limit * (1.0 - window.drop_share() / 2.0);
        if window.drop_share() > 0.0 && next.limit > dropped {
            next = Change::new(dropped, window.drop_cause());
        }
        let used = UNUSED * f64::from(window.peak());
        if next.limit > used {
            next = Change::new(used, Cause::Unused);
        }
        next
    }

    /// Follows the latency.
    fn follow(&mut self, latest: Nepers, limit: f64, window: &Window) -> Change {
        let before = self.latency.unwrap_or(latest);
        let latency = before + SMOOTHING * (latest - before);
        self.latency = Some(latency);
        let lowest = self.lowest.map_or(latest, |lowest| lowest.min(latest));
        self.lowest = Some(lowest);
        let known = self.baseline.latency();
        let room = self.tolerance + known.unwrap_or(lowest) - latency + self.climb.extra();
        let used = f64::from(window.peak()) >= 0.8 * limit.floor();
        let used = used && known.is_some() && window.drop_share() <= 0.0;
        if self.gloom.grow(room, latency) {
            self.calendar.hurry();
        }
        let next = self.climb.step(limit, latency, room, used);
        let cause = if next < limit {
            Cause::Slow
        } else {
            Cause::Room
        };
        Change::new(next, cause)
    }
}

impl Default for Gradient {
    fn default() -> Self {
        Self::new()
    }
}

impl Estimator for Gradient {
    fn learn(&mut self, sample: &Sample, limit: f64, bounds: Bounds) -> Option<Change> {
        if let Some(probe) = self.probe.take() {
            return self.probing(probe, sample, bounds);
        }
        if !self.window.add(sample) {
            return None;
        }
        let (now, anxiety) = (sample.finished, self.anxiety());
        if let Some(date) = self.calendar.due(now, self.baseline.latency(), anxiety) {
            return Some(self.probe(&date, limit, now));
        }
        let over = self.window.is_over(now);
        over.then(|| self.close(limit, bounds, now))
    }

    fn baseline(&self) -> Option<Duration> {
        let latency = self.baseline.latency()?;
        Some(Duration::try_from_secs_f64(latency.exp()).unwrap_or(Duration::MAX))
    }

    fn resume_at(&self) -> Option<Instant> {
        self.resume_at
    }

    fn seed(&mut self, seed: u64) {
        self.dice = Dice::seeded(seed);
    }
}

/// For how long, and by how much, the server has been slower than it may be.
#[derive(Debug, Clone, Default)]
struct Gloom {
    /// Smoothed over windows.
    room: Nepers,
    /// What the latency was when the baseline was last looked at.
    seen: Option<Nepers>,
    doubt: bool,
}

/// The weight of the last window.
const GLOOM: f64 = 0.4;

/// Then the baseline may be wrong.
const DOUBT: Nepers = 0.5;

impl Gloom {
    fn is_doubt(&self) -> bool {
        self.doubt
    }

    /// Whether there is a doubt now that there wasn't, and that the last probe didn't see.
    fn grow(&mut self, room: Nepers, latency: Nepers) -> bool {
        self.room += GLOOM * (room - self.room);
        let doubted = std::mem::replace(&mut self.doubt, self.room < -DOUBT);
        let seen = self.seen.is_some_and(|seen| (seen - latency).abs() <= NEWS);
        self.doubt && !doubted && !seen
    }

    fn lift(&mut self, latency: Option<Nepers>) {
        *self = Self {
            seen: latency,
            ..Self::default()
        };
    }
}

fn nepers(latency: Duration) -> Nepers {
    latency.as_secs_f64().max(1e-9).ln()
}
