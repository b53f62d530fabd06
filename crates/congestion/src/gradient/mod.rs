//! The default estimator.

mod baseline;
mod calendar;
mod climb;
mod gloom;
mod nepers;
mod probe;
mod window;

use std::time::{Duration, Instant};

use self::{
    baseline::{Baseline, News},
    calendar::{Anxiety, Calendar, Date},
    climb::Climb,
    gloom::Gloom,
    nepers::{Nepers, nepers},
    probe::{Probe, Progress},
    window::Window,
};
use crate::{Bounds, Cause, Change, Estimator, Sample, dice::Dice};

/// Finds the limit at which the server takes about 1.6 times as long as with little to do, and stays
/// there.
///
/// Latency tells of congestion before anything is refused. More in flight means more throughput as long
/// as latency rises less than in proportion (Little's law), and the best bargain of the two is where
/// latency is some one and a half to two times what it is with little to do (Kleinrock, *Power and
/// deterministic rules of thumb for probabilistic problems in computer communications*, 1979). So three
/// things must be known: how slow the server is now, how slow it is with little to do, and which of the
/// calls tell of the present limit.
///
/// ```text
/// limit  20 ─┐
///            └─┐ drops         ╭───────────╮  ╭──────
///              └┐        ╭─────╯ hold      │  │
///               │   ╭────╯ climb           │  │
///         1     └───╯                      └──╯
///                ╰─╯                       ╰──╯
///               probe                     probe, at a date that all clients share
/// ```
///
/// * **Windows.** A window closes with 10 calls, after 0.3 s at least, or with fewer after 2 s. Only calls
///   that were *sent* after the limit was last changed count: twenty errors of one burst are one event,
///   and nothing is learnt about a limit from calls that were sent under another.
/// * **Drops.** If a share `s` of a window's calls was throttled or failed, `s/2` of the limit goes
///   (DCTCP, RFC 8257 §3.3, with the window for the round trip): half of it at most, and hardly any of it
///   for one stray error. A limit that was met with a drop doesn't rise.
/// * **Climb.** While the server is faster than tolerated, the limit rises: the more slowly the nearer it
///   is, and by less than in proportion, so that clients which climb together end with equal shares.
///   Tolerated is 1.75 times the baseline; for a client with only one in flight, to which a second is a
///   large step, 1.43 times.
/// * **Beyond.** A client that has four in flight or more, and whose own climb has shown that latency rises
///   less than in proportion, climbs on to where it does: as far as twice the latency of a server with
///   little to do. In a queue latency rises in proportion, and it stops.
/// * **Hold.** Then the limit stays as long as the latency does, within a quarter. It falls if the server
///   slows down, and climbs again if it becomes faster. *Why not an equilibrium?* Clients whose baselines
///   differ by a few per cent would drive each other apart: those with the lower one always giving way
///   (Arun et al., *Starvation in end-to-end congestion control*, 2022).
/// * **Unused.** The limit doesn't rise unless four fifths of it are used, and is at most 5 times what was in
///   flight at once.
/// * **Baseline.** It is lowered by whatever is seen; it is raised only by probes. So it can't drift with
///   the load, as a long-term average does.
/// * **Probes.** For some 1.2 latencies nobody is sent, until what is in flight is over; then a few calls go,
///   one after another, at random times (BBR does this every 10 s, with four packets
///   in flight: Cardwell et al., *BBR: congestion-based congestion control*, 2016). A probe finds the truth only if all clients of the server make one, hence they do
///   it at multiples of 5 s: first at every one, until the baseline was read twice; later at every
///   eighth, or when a server that has been far too slow for several windows may have become so for good.
///
/// # Clients of one server
///
/// They needn't know of each other; they need the same dates. These count from the first call, which is
/// right for clients that start together. Others can agree on an instant, a full day of Unix time say:
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_throttle_congestion::{CongestionLayer, Gradient};
///
/// let since = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
/// let day = Duration::from_secs(86_400).as_nanos();
/// let today = Duration::from_nanos(u64::try_from(since % day).unwrap());
/// let midnight = tower_throttle_core::now().checked_sub(today);
///
/// let gradient = Gradient::new();
/// let gradient = midnight.map_or(gradient.clone(), |at| gradient.meeting(at));
/// let layer = CongestionLayer::with(gradient);
/// # drop(tower_layer::Layer::<()>::layer(&layer, ()));
/// ```
///
/// # Choosing
///
/// It needs latencies that are comparable: give calls of another kind, streams say, a layer of their own.
/// A server that counts requests per time, and doesn't slow down, wants a rate instead.
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

/// How much slower the server may be than with little to do, for a client with a large limit.
const TOLERANCE: f64 = 1.75;

/// One more in flight is a large step for a client that has one: it aims that much lower.
const GRAIN: Nepers = 0.2;

/// The weight of the last window in the latency.
const SMOOTHING: f64 = 0.7;

/// The limit is at most so many times what was in flight at most (failsafe-go's `maxLimitFactor`).
const UNUSED: f64 = 5.0;

impl Gradient {
    /// Starts with nothing known.
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

    #[cold]
    fn probing(&mut self, sample: &Sample, bounds: Bounds) -> Option<Change> {
        let mut probe = self.probe.take()?;
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

    #[cold]
    fn close(&mut self, limit: f64, bounds: Bounds, now: Instant) -> Change {
        let window = std::mem::replace(&mut self.window, Window::after(now));
        let mut next = Change::new(limit, Cause::Room);
        if let Some(latency) = window.latency() {
            if self.baseline.observe(latency) == News::Lower {
                return self.anew(bounds);
            }
            next = self.follow(latency, limit, &window, now);
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
    fn follow(&mut self, latest: Nepers, limit: f64, window: &Window, now: Instant) -> Change {
        let before = self.latency.unwrap_or(latest);
        let latency = before + SMOOTHING * (latest - before);
        self.latency = Some(latency);
        let lowest = self.lowest.map_or(latest, |lowest| lowest.min(latest));
        self.lowest = Some(lowest);
        let known = self.baseline.latency();
        let target = self.tolerance + known.unwrap_or(lowest) + self.climb.extra();
        let room = target - latency - GRAIN / limit;
        let used = f64::from(window.peak()) >= 0.8 * limit.floor();
        let used = used && known.is_some() && window.drop_share() <= 0.0;
        if self.gloom.grow(room, latency) {
            self.calendar.look_again();
        }
        let span = if used {
            window.length(now) / latency.exp()
        } else {
            0.0
        };
        let next = self.climb.step(limit, latency, room, span);
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
        if self.probe.is_some() {
            return self.probing(sample, bounds);
        }
        if !self.window.add(sample) {
            return None;
        }
        let now = sample.finished;
        if self.calendar.has_date_by(now) {
            let anxiety = self.anxiety();
            if let Some(date) = self.calendar.due(now, self.baseline.latency(), anxiety) {
                return Some(self.probe(&date, limit, now));
            }
        }
        let over = self.window.is_over(now);
        over.then(|| self.close(limit, bounds, now))
    }

    fn skip(&mut self, now: Instant, _limit: f64) -> Option<Change> {
        let probe = self.probe.take_if(|probe| probe.is_stuck(now))?;
        Some(self.resume(&probe, now))
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
