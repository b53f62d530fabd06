//! The default estimator.

mod baseline;
mod calendar;
mod climb;
mod gloom;
mod nepers;
mod probe;
mod room;
mod window;

use std::time::{Duration, Instant};

use self::{
    baseline::{Baseline, News},
    calendar::{Anxiety, Calendar, Date},
    climb::Climb,
    gloom::Gloom,
    nepers::{Nepers, nepers},
    probe::{Probe, Progress},
    room::Room,
    window::Window,
};
use crate::{Bounds, Cause, Change, Estimator, Relief, Sample, dice::Dice};

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
///               └───╯                      └──╯
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
///   is, and by less than in proportion, so that clients which climb together come nearer to each other. After
///   a probe that found a far slower server it starts in proportion, as TCP does.
/// * **Tolerance.** The more a client has in flight, the less slow the server may become for it, so that
///   those who have more give way to those who have less; except for those with only a few, to whom one more is a
///   large step.
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
/// right for clients that start together. Others agree on an instant: see [`meeting`](Self::meeting).
/// After a probe that all make together, those with large limits go back to less than they had (`l` to
/// `l^0.9`), and then all climb.
///
/// # Choosing
///
/// It needs latencies that are comparable: give calls of another kind, streams say, a layer of their own.
/// Errors that have nothing to do with load, one in fifty say, keep the limit low on a fast server: have the
/// [classifier](crate::CongestionLayer::classify) ignore them.
/// A server that counts requests per time, and doesn't slow down, wants a rate instead.
#[derive(Debug, Clone)]
pub struct Gradient {
    calendar: Calendar,
    baseline: Baseline,
    window: Window,
    room: Room,
    climb: Climb,
    gloom: Gloom,
    probe: Option<Probe>,
    dice: Dice,
}

/// The limit is at most so many times what was in flight at most (failsafe-go's `maxLimitFactor`).
const UNUSED: f64 = 5.0;

impl Gradient {
    /// Starts with nothing known.
    #[must_use]
    pub fn new() -> Self {
        Self {
            calendar: Calendar::default(),
            baseline: Baseline::default(),
            window: Window::default(),
            room: Room::default(),
            climb: Climb::new(),
            gloom: Gloom::default(),
            probe: None,
            dice: Dice::default(),
        }
    }

    /// An instant that all clients of the server agree on, so that they probe together. Default: the
    /// first call.
    ///
    /// Without it, clients that don't start together take the load of others for the server's own
    /// slowness, and those that come later get more than their share. Midnight will do:
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
    /// *Why not by default?* What a layer does would depend on the time of day, in tests under a paused
    /// clock too. An instant can't be read off the clock of the wall by a state machine anyway.
    #[must_use]
    pub fn meeting(mut self, at: Instant) -> Self {
        self.calendar = Calendar::from(at);
        self
    }

    fn anxiety(&self) -> Anxiety {
        Anxiety::of(&self.baseline, &self.gloom)
    }

    fn probe(&mut self, date: &Date, limit: f64, now: Instant) -> Option<Change> {
        let calls = probe::calls(self.anxiety());
        let latency = self.window.latency().or(self.room.latency());
        let latency = latency.or(self.baseline.latency()).unwrap_or_default();
        let load = (limit, self.window.peak());
        let probe = Probe::start(date, now, latency, load, calls, &mut self.dice);
        self.calendar.keep(date);
        let probe = self.probe.insert(probe);
        (!probe.is_quiet()).then(|| Change::new(probe.in_flight(), Cause::Probe))
    }

    #[cold]
    fn probing(&mut self, sample: &Sample) -> Option<Change> {
        let mut probe = self.probe.take()?;
        let progress = probe.learn(sample, &mut self.dice);
        match progress {
            Progress::Going if probe.is_stuck(sample.finished) => {
                Some(self.resume(probe.interrupted(), sample.finished))
            }
            Progress::Going => {
                self.probe = Some(probe);
                None
            }
            Progress::Done(calls, latency) => {
                let change = self.resume(probe.restore(), sample.finished);
                let together = probe.is_made_by_all(sample.finished);
                let news = latency.map(|latency| self.baseline.read(latency, calls, together));
                Some(self.heed(news, change))
            }
        }
    }

    /// A probe that holds nobody back: the limit is learnt meanwhile.
    #[cold]
    fn listen(&mut self, sample: &Sample, limit: f64) {
        let Some(mut probe) = self.probe.take() else {
            return;
        };
        if !probe::is_low(sample.in_flight, limit) {
            return self.calendar.miss();
        }
        match probe.learn(sample, &mut self.dice) {
            Progress::Going => self.probe = Some(probe),
            Progress::Done(calls, Some(latency)) => {
                let together = probe.is_made_by_all(sample.finished);
                if self.baseline.read(latency, calls, together) != News::Old {
                    self.calendar.hurry();
                    self.climb = Climb::fresh();
                }
            }
            Progress::Done(_, None) => {}
        }
    }

    /// Goes on where it was interrupted by a probe.
    fn resume(&mut self, limit: f64, now: Instant) -> Change {
        self.window = Window::after(now);
        self.gloom.lift(self.room.take());
        self.climb.again();
        Change::new(limit, Cause::Probe)
    }

    fn heed(&mut self, news: Option<News>, change: Change) -> Change {
        match news {
            Some(News::Lower) => self.anew(change.limit),
            Some(News::Higher) => {
                self.calendar.hurry();
                self.climb = Climb::fresh();
                change
            }
            Some(News::Old) | None => change,
        }
    }

    /// Finds the limit anew, from below: from its root, so that those who had more have hardly more now.
    fn anew(&mut self, limit: f64) -> Change {
        self.calendar.hurry();
        self.climb = Climb::new();
        self.room.take();
        Change::new(limit.sqrt(), Cause::Probe)
    }

    #[cold]
    fn close(&mut self, limit: f64, now: Instant) -> Change {
        let window = std::mem::replace(&mut self.window, Window::after(now));
        let mut next = Change::new(limit, Cause::Room);
        if let Some(latency) = window.latency() {
            if self.baseline.observe(latency) == News::Lower {
                return self.anew(limit);
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
        let known = self.baseline.latency();
        let (latency, room) = self.room.learn(latest, limit, known);
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
        let next = self.climb.step(limit, room, span);
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
    fn learn(&mut self, sample: &Sample, limit: f64, _bounds: Bounds) -> Option<Change> {
        match self.probe.as_ref().map(Probe::is_quiet) {
            Some(false) => return self.probing(sample),
            Some(true) => self.listen(sample, limit),
            None => {}
        }
        if !self.window.add(sample) {
            return None;
        }
        let now = sample.finished;
        if self.probe.is_none() && self.calendar.has_date_by(now) {
            let anxiety = self.anxiety();
            if let Some(date) = self.calendar.due(now, self.baseline.latency(), anxiety) {
                let change = self.probe(&date, limit, now);
                if change.is_some() {
                    return change;
                }
            }
        }
        let over = self.window.is_over(now);
        over.then(|| self.close(limit, now))
    }

    fn skip(&mut self, now: Instant, _limit: f64) -> Option<Change> {
        let relief = self.relief().filter(|relief| now >= relief.at)?;
        self.relieve(now.max(relief.at))
    }

    fn baseline(&self) -> Option<Duration> {
        let latency = self.baseline.latency()?;
        Some(Duration::try_from_secs_f64(latency.exp()).unwrap_or(Duration::MAX))
    }

    fn resume_at(&self) -> Option<Instant> {
        self.probe.as_ref()?.resume_at()
    }

    fn relief(&self) -> Option<Relief> {
        self.probe.as_ref()?.relief()
    }

    fn relieve(&mut self, now: Instant) -> Option<Change> {
        let probe = self.probe.take()?;
        Some(self.resume(probe.interrupted(), now))
    }

    fn reset(&mut self) {
        self.probe = None;
        self.window = Window::default();
        self.gloom = Gloom::default();
        self.room.take();
        self.climb.again();
    }

    fn seed(&mut self, seed: u64) {
        self.dice = Dice::seeded(seed);
    }
}
