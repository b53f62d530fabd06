//! The default estimator.

mod baseline;
mod calendar;
mod climb;
mod learn;
mod nepers;
mod probed;
mod trial;
mod usual;
mod window;

use std::time::Instant;

use self::{
    baseline::Baseline,
    calendar::Calendar,
    climb::Climb,
    nepers::{Nepers, nepers},
    probed::Probed,
    trial::Trial,
    usual::Usual,
    window::Window,
};
use crate::{Cause, Change, dice::Dice};

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
/// limit    20 ─┐
///              └─┐ drops, slow    ╭────────────╮  ╭─────
///                └─┐        ╭─────╯    hold    │ ╭╯
///                  └────────╯ climb            └─╯ climb
/// in flight ───────────╮ ╭────────────────────╮ ╭───────
///                      ╰▂╯                    ╰▂╯
///                     probe                  probe, at a date that all clients share
/// ```
///
/// * **Windows.** A window closes with 10 calls, after 0.3 s at least, or with fewer after 2 s. Only
///   calls that were *sent* after the last window closed count: twenty errors of one burst are one event,
///   and nothing is learnt about a limit from calls that were sent under another. Latencies are averaged as
///   logarithms, and none counts as more than ten times what is usual.
/// * **Drops.** If a share `s` of a window's calls was throttled or failed, `s/2` of the limit goes
///   (DCTCP, RFC 8257 §3.3, with the window for the round trip): half of it at most, and hardly any of it
///   for one stray error among many calls.
/// * **Climb.** While the server is faster than it may be, the limit rises: the more slowly the nearer it
///   is, and by less than in proportion, so that clients which climb together come nearer to each other.
///   Who has come to believe that the server is slower climbs faster, but no higher than before, until all have
///   probed.
/// * **Hold.** Then the limit stays as long as the latency does, within a quarter. It falls if the server
///   slows down, and climbs again if it becomes faster. *Why not an equilibrium?* Clients whose baselines
///   differ by a few per cent would drive each other apart: those with the lower one always giving way
///   (Arun et al., *Starvation in end-to-end congestion control*, 2022).
/// * **Unused.** The limit doesn't rise unless four fifths of it are used, and is at most 5 times what was in
///   flight at once, as far as the calls of two windows tell.
/// * **Baseline.** It is found by probes, and only they raise it. So it can't drift with the load, as a
///   long-term average does. A window that is much faster calls for another probe. What few calls have told
///   counts as less than their mean, and slow ones count as less than fast ones: of many clients, the one that
///   believes the server to be the slowest takes most of it.
/// * **Probes.** Less than half of what is in flight else is sent; what is sent first, until what was in flight is
///   over, for 1.2 times the latency, tells nothing, but what is sent in the next two latencies does. Twelve calls
///   are enough. That is done each 80 s, and twice at first, within a minute.
///   (BBR does it each 10 s with four packets in flight, and each 5 s with half of what fits in its second
///   version: Cardwell et al., *BBR: congestion-based congestion control*, 2016, and
///   draft-cardwell-iccrg-bbr-congestion-control-02.) It finds the truth only if all clients of the server
///   do it, hence the dates are multiples of 80 s, or of 160 s, 320 s and so on for a server that takes more
///   than a second. The first probe takes longer, with three calls at a time at most, since nobody knows then
///   what the server bears. A client with little in flight needs none, and holds nobody up:
///   its baseline sinks if its calls are faster than that, by more than chance.
/// * **Latencies that vary.** How much they do within a window is measured. If the standard deviation of their
///   logarithms is more than a half (that of an exponential distribution is 1.3), windows take more calls, the
///   baseline is the mean of more, and calls that a probe didn't wait for count as soon as they are over: else only
///   the fast ones would.
/// * **Another server.** If the server stays far too slow although the limit falls, and refuses hardly anything,
///   it may have become slower for good. Whoever sees that probes at the next multiple of 5 s, or of less on a
///   server that answers within 50 ms, and once more: two readings that are twice the baseline make another
///   baseline. If no call is over in time, those that are later count. All clients see it, so they probe
///   together. In the probe of all, a smaller difference is enough then.
///
/// # Clients of one server
///
/// They needn't know of each other; they need the same dates: see [`meeting`](Self::meeting).
/// At a probe that all make, those with large limits give up more than those with small ones, and then all
/// climb.
///
/// # Choosing
///
/// It needs latencies that are comparable: give calls of another kind, streams say, a layer of their own.
/// A server that counts requests per time, and doesn't slow down, wants a rate instead.
///
/// # Constants
///
/// Those without a source here were found by simulation, with servers that refuse, that wait in line, that lose
/// half of their capacity and that become three times slower, and with one, four and ten clients.
#[derive(Debug, Clone)]
pub struct Gradient {
    calendar: Calendar,
    baseline: Baseline,
    usual: Usual,
    window: Window,
    /// The most in flight in the last window, and in the last two: the first calls of a burst that are answered don't
    /// tell how many there are.
    last_peak: u32,
    peak: u32,
    climb: Climb,
    trial: Option<Trial>,
    probed: Option<Probed>,
    dice: Dice,
}

/// The limit is at most so many times what was in flight at most (failsafe-go's `maxLimitFactor`).
const UNUSED: f64 = 5.0;

/// A limit of which less is used doesn't rise.
const USED: f64 = 0.8;

/// How wrong a mean usually is: by so much at most.
const SURE: Nepers = 0.2;

/// Who has less than such a part of the limit in flight leaves the server as it is with little to do.
const LITTLE: f64 = 3.0;

/// Who is refused more than such a part of the calls knows why the server is slow: it has too much to do.
const REFUSED: f64 = 0.1;

/// How many probes are made soon after the first call.
const FIRST: u32 = 2;

/// A part of what is in flight may be much for a server of which nothing is known: it is one of so many at most.
const FEW: f64 = 7.0;

impl Gradient {
    /// Starts with nothing known.
    #[must_use]
    pub fn new() -> Self {
        let mut calendar = Calendar::default();
        calendar.want(FIRST);
        Self {
            calendar,
            baseline: Baseline::default(),
            usual: Usual::default(),
            window: Window::default(),
            last_peak: 0,
            peak: 0,
            climb: Climb::new(),
            trial: None,
            probed: None,
            dice: Dice::default(),
        }
    }

    /// An instant that all clients of the server agree on, so that they probe together. Default: the
    /// first call.
    ///
    /// Without it, clients that don't start together take the load of others for the server's own
    /// slowness, and those that come later get more than their share. [`meeting`](crate::meeting) is one
    /// that all hosts agree on:
    ///
    /// ```
    /// use tower_throttle_congestion::{Congestion, Gradient, meeting};
    ///
    /// let limiter = Congestion::with(Gradient::new().meeting(meeting()));
    /// # assert_eq!(limiter.limit(), 20);
    /// ```
    ///
    /// *Why not by default?* An instant can't be read off the clock of the wall by a state machine. The
    /// adapters do it: [`CongestionLayer::new`](crate::CongestionLayer::new).
    #[must_use]
    pub fn meeting(mut self, at: Instant) -> Self {
        self.calendar.meet(at);
        self
    }

    /// Begins a probe if it is time for one, or does without if there is little in flight anyway.
    fn begin_probe(&mut self, limit: f64, now: Instant) -> Option<Change> {
        let date = self.calendar.due(now, self.baseline.unloaded())?;
        if f64::from(self.window.peak()) * LITTLE <= limit {
            self.glance();
            return None;
        }
        let is_first = self.baseline.is_guess();
        let starts = date.made_by_all || is_first;
        let used = self.used(limit);
        let fell_for_nothing = !date.made_by_all || self.usual.seems_slower();
        let before = if is_first {
            used.min(FEW)
        } else if fell_for_nothing {
            self.climb.used().max(used)
        } else {
            used
        };
        let limits = (used, before);
        let latency = self.usual.mean()? + self.baseline.care();
        let trial = Trial::start(&date, now, latency, limits, &mut self.dice)?;
        self.trial = Some(trial);
        self.calendar.keep();
        if starts {
            self.climb.unbind();
        }
        let anew = date.made_by_all || (date.is_wanted && !starts);
        let next = self.climb.again(limit).filter(|_| anew);
        next.map(|next| Change::new(next, Cause::Probe))
    }

    /// Whether hardly any of the limit is left over.
    fn is_used(&self, limit: f64) -> bool {
        f64::from(self.peak) >= USED * limit.floor()
    }

    /// The limit; or what was in flight, if that is much less.
    fn used(&self, limit: f64) -> f64 {
        if self.is_used(limit) {
            limit
        } else {
            f64::from(self.peak.max(1))
        }
    }

    #[cold]
    fn close(&mut self, limit: f64, now: Instant) -> Change {
        let next = Window::after(now, &self.usual);
        let window = std::mem::replace(&mut self.window, next);
        self.peak = window.peak().max(self.last_peak);
        self.last_peak = window.peak();
        let mut change = window.latency().map_or_else(
            || Change::new(limit, Cause::Room),
            |latency| self.follow(latency, limit, &window, now),
        );
        let dropped = change.limit * (1.0 - window.drop_share() / 2.0);
        if dropped < limit && window.drop_share() > 0.0 {
            change = Change::new(dropped, window.drop_cause());
        }
        let used = UNUSED * f64::from(self.peak);
        if change.limit > used {
            change = Change::new(used, Cause::Unused);
        }
        change
    }

    /// By how much more than usual a window of so many calls, or the baseline, may differ from the truth.
    fn doubt(&self, calls: f64) -> Nepers {
        let parts = 1.0 / calls + 1.0 / self.baseline.calls();
        ((self.usual.variance() * parts).sqrt() - SURE).max(0.0)
    }

    /// Follows the latency.
    fn follow(&mut self, latency: Nepers, limit: f64, window: &Window, now: Instant) -> Change {
        let calls = f64::from(window.answered());
        let news = self.baseline.observe(latency, calls);
        self.heed(news);
        let baseline = self.baseline.reliable().unwrap_or(latency);
        self.usual.learn(window);
        let doubt = self.doubt(calls);
        let room = Climb::room(baseline, latency, doubt);
        if window.refused_share() <= REFUSED && self.usual.is_odd(room, limit) {
            self.calendar.doubt();
        }
        let latencies = window.length(now) / latency.exp();
        let span = if self.is_used(limit) && !self.baseline.is_guess() {
            latencies
        } else {
            0.0
        };
        self.climb.note(self.used(limit));
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

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "time has to begin somewhere; nothing here waits for it"
)]
mod tests {
    use std::time::Duration;

    use tower_throttle_core::Outcome;

    use super::{
        baseline::{Reading, Trust},
        *,
    };
    use crate::Sample;

    /// A window of ten calls that took so many times these.
    fn window(sent: Instant, times: f64, latency: impl Fn(u32) -> f64) -> Window {
        let mut window = Window::default();
        for i in 0..10 {
            let answered = sent + Duration::from_secs_f64(times * latency(i));
            window.add(&Sample::new(sent, answered, 20, Outcome::Succeeded));
        }
        window
    }

    /// The limit after a window that is twice as slow as those before, if it was 20.
    fn after_a_slow_window(latency: impl Fn(u32) -> f64) -> f64 {
        let now = Instant::now();
        let mut gradient = Gradient::new();
        for _ in 0..20 {
            gradient.usual.learn(&window(now, 1.0, &latency));
        }
        let reading = Reading {
            latency: gradient.usual.latency().expect("there were windows"),
            calls: 8.0,
            trust: Trust::Full,
        };
        gradient.read(Some(reading));
        let slow = window(now, 2.0, &latency);
        let latency = slow.latency().expect("there were calls");
        gradient.follow(latency, 20.0, &slow, now).limit
    }

    /// Ten calls of an exponential distribution take twice as long as ten others once in a while, and the limit
    /// wore down.
    #[test]
    fn a_slow_window_is_doubted_if_latencies_vary() {
        let steady = after_a_slow_window(|i| 0.2 + 0.01 * f64::from(i));
        let varying = after_a_slow_window(|i| -0.2 * (1.0 - (f64::from(i) + 0.5) / 10.0).ln());
        assert!(steady < 19.0, "{steady}");
        assert!(varying >= 20.0, "{varying}");
    }
}
