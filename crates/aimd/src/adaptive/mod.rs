mod cubic;
mod epoch;
mod growth;
mod setters;
mod settings;

use std::time::{Duration, Instant};

use tower_throttle_core::Outcome;

use self::{
    cubic::Cubic,
    epoch::Epoch,
    growth::{Curve, Growth},
    settings::Settings,
};
use crate::{
    Cause, Change, Ended, Law, Sent,
    pause::{ROUNDED, pause},
    random::Random,
    sends::Sends,
    time::{FASTEST, interval, later, seconds},
};

/// How far the rate falls at the first refusal of all, as a share: β₀.
const FIRST_CUT: f64 = 0.1;

/// What is left of the rate at each further refusal, until requests are accepted again.
const NEXT_CUT: f64 = 0.7;

/// How far above `max_rate` the law may probe. A server may allow a little more than it says, and
/// a share of nothing can't be found without asking.
const HEADROOM: f64 = 1.05;

/// The rate may not exceed the rate in use by more than this factor while that is not tried out.
const UNUSED_GROWTH: f64 = 3.0;

/// The longest time over which requests are counted, in windows.
const LONGEST_SPAN: u32 = 4;

/// The weight of the newest request in the average cost.
const NEWEST_COST: f64 = 1.0 / 16.0;

/// Finds a client's share of what a server bears, by probing, and keeps to it.
///
/// Many clients may share a quota that none of them knows, and none knows of the others. All that is
/// needed is that the server turns requests away; if it says for how long, that is used.
///
/// ```text
///  rate                                                                  · probing: +20 % after K
///   r ┤        ╱│                                                     ╱
///     ┤       ╱ │  the delivered rate, r_max                        ╱
///     ┤      ╱  │ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ────────────── ─ ─ ─
///     ┤    ╱    │                        ╱───    the plateau
///     ┤ ╱       │               r_max·(1−β)
///  r₀ ┤╱        └───────┐      │
///     └─────────┬───────┬──────┬──────────────────┬────────────────────▶ time
///     doubling  429     429    200                K
///     (slow     cut, pause     reopens:
///      start)   ╰─── epoch ────╯  cubic growth
/// ```
///
/// * **Pacing.** One request per `1/r`, with a burst of 1 and a first phase drawn at random, and no
///   other jitter: it would cost quota and earn 429s. (Even sends at a static share use a quota to 100 %
///   without a 429; ±30 % of jitter on each makes 99 % and 1 % of it.)
/// * **Slow start** (TCP's: RFC 5681 §3.1). From `r₀`, a ninth of `max_rate` or 0.5/s, the rate
///   doubles every half window. It never exceeds three times the rate in use plus `r₀`, so that an idle
///   client doesn't come back with a flood.
/// * **Epochs** (NewReno's: RFC 6582). The first 429 to a request that was sent after the last cut begins
///   one: `r ← r·(1 − β)`. Each further one, of a request that was sent after the cut, makes it `0.7·r`.
///   429s to requests that were on their way cut nothing.
/// * **The pause.** After the first 429 nobody is sent for `1/r`, after the `k`-th in a row for
///   `max(1/r, 0.2 s)·2^(k−1)·U[¾, 1¼)`, up to a quarter of the window. If the server says for how
///   long: exactly so long, and then `U[0, min(1/r, window/2))`, since all clients have heard the same.
///   (The gate beside the law sees to the former.) A wait below 2 s, which is mostly made by rounding
///   up, counts from the second refusal on, and only if the window is at least twice as long.
/// * **The delivered rate.** The first success of a request that was sent after the epoch began ends it.
///   `r_max` is the rate at its beginning, or what was delivered then if that was less: requests that
///   were sent in the last `H` and not turned away. `H` is a window, or ten requests if that is longer.
///   (AWS's adaptive mode anchors likewise.) The delivered rates of all clients add up to the quota,
///   whatever their rates were. A law that is younger than `H` counts over its age, and the epoch is a
///   part of it: what a rush gets out of a window in a third of it is a third of the rush's rate. (Ten
///   clients that start at once got 10.9 % of 429s over five windows without this, and get 7.4 %.)
/// * **Cubic growth** (CUBIC's: RFC 9438 §4.2, with other constants):
///   `r(t) = r_max·(1 + b·((t/K) − 1)³)`, where `b` is `β` until `K` and 0.2 after, and
///   `K = H·clamp(0.4·n, 2, 6)·U[0.85, 1.15)`, `β = clamp(0.1·√(10/n), 0.02, 0.1)` with `n = r_max·H`,
///   the requests of a window. Never above `1.05·max_rate`. As `K` grows with `n`, whoever has the larger share
///   probes less often, so that only equal shares are stable. (With a constant share of 429s, any
///   split is: Jain's index was 0.4 to 0.5 in simulations with ten clients.)
///
/// Beyond the plateau, too, the rate grows only as far as it is used: three times what is in use plus
/// `r₀`, or `r_max`.
///
/// Failures other than throttling, and calls that are dropped in flight, are sends and nothing else:
/// they neither cut nor end an epoch.
///
/// # When it does badly
///
/// * **A window below 2 s**: the time between a send and its answer is no longer small beside it.
/// * **A wrong window.** With 10 s where it is 60 s, the quota of a fixed window is still used, but
///   shared less evenly, and a server with a token bucket less evenly still (Jain 0.35 to 0.8).
/// * **Fewer than eight requests per window and client**: chance decides on a request more or less. At
///   two per window 3 to 10 % of the requests are turned away.
/// * **Interactive load just below the quota.** The rate that isn't needed isn't known either: at 90 % of
///   a quota, one in a hundred requests waits for long, behind a cut that a burst has earned.
/// * **A limit on concurrency**, not on a rate: half of it is left unused.
///
/// # Cost
///
/// At most 24 KiB, for the sends of the last two windows at least, however many they are. While the rate
/// doubles, or probes above the plateau, each send costs a look at this record; otherwise a few
/// operations.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower_throttle_aimd::{Adaptive, Ended, Law, Sent};
/// use tower_throttle_core::{Outcome, now};
///
/// let start = now();
/// let mut law = Adaptive::new();
/// law.begin(start);
/// assert_eq!(law.rate(start), 0.5);
///
/// let sent = Sent { at: start + Duration::from_secs(1), tokens: 1 };
/// law.sent(sent);
/// let before = law.rate(sent.at);
/// law.ended(Ended { sent, now: sent.at, outcome: Outcome::Throttled, retry_after: None });
/// assert!((law.rate(sent.at) / before - 0.9).abs() < 1e-9);
/// ```
#[derive(Debug, Clone)]
pub struct Adaptive {
    settings: Settings,
    random: Random,
    /// What was sent and not turned away.
    sends: Sends,
    /// What was let in, by when that was heard.
    accepted: Sends,
    /// What a request costs, on average of the last ones, as soon as one was sent.
    cost: Option<f64>,
    started: Option<Instant>,
    /// `None`: it has not begun.
    growth: Option<Growth>,
    /// The congestion that isn't over yet.
    epoch: Option<Epoch>,
    last_cut: Option<Instant>,
    /// How far the next cut goes: β.
    cut: f64,
    paused_until: Option<Instant>,
    change: Option<Change>,
}

impl Law for Adaptive {
    fn begin(&mut self, now: Instant) {
        self.started = Some(now);
        let time = self.settings.doubling();
        self.growth = Some(Growth::new(Curve::Doubling { time }, now));
        let phase = self.random.split().part_of(self.interval(self.rate(now)));
        self.paused_until = Some(later(now, phase));
    }

    fn rate(&self, now: Instant) -> f64 {
        let grown = || {
            let (rate, tried_out) = self.grown(now);
            rate.min(tried_out)
        };
        self.bound(self.epoch.map_or_else(grown, |epoch| epoch.rate))
    }

    fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    fn min_pause(&self) -> Duration {
        ROUNDED
    }

    fn resume(&mut self) {
        self.paused_until = None;
    }

    fn sent(&mut self, sent: Sent) {
        let tokens = f64::from(sent.tokens.max(1));
        let cost = self.cost.unwrap_or(tokens);
        self.cost = Some(cost + (tokens - cost) * NEWEST_COST);
        self.tick(sent.at);
        self.sends.add(sent.at, sent.tokens);
    }

    fn unsent(&mut self, sent: Sent) {
        self.sends.remove(sent.at, sent.tokens);
    }

    fn ended(&mut self, ended: Ended) {
        self.tick(ended.now);
        match ended.outcome {
            Outcome::Throttled => self.throttled(ended),
            Outcome::Succeeded | Outcome::Ignored => self.accepted(ended),
            Outcome::Failed => {}
        }
    }

    fn change(&mut self) -> Option<Change> {
        self.change.take()
    }
}

/// What is heard.
impl Adaptive {
    fn throttled(&mut self, ended: Ended) {
        let (sent, now) = (ended.sent, ended.now);
        let old = self.rate(now);
        self.sends.remove(sent.at, sent.tokens);
        // It was on its way when the rate was cut: that it is refused is no news.
        if self.last_cut.is_some_and(|cut| sent.at <= cut) {
            return;
        }
        let epoch = match self.epoch {
            Some(epoch) => epoch.refused_again(self.bound(epoch.rate * NEXT_CUT)),
            None => self.congestion(old, ended),
        };
        self.epoch = Some(epoch);
        self.last_cut = Some(now);
        self.hold_back(epoch, old, ended);
    }

    /// The beginning of an epoch: what can be learnt from it is there now.
    fn congestion(&self, rate: f64, ended: Ended) -> Epoch {
        let (now, span) = (ended.now, self.span(rate, ended.now));
        let one = f64::from(ended.sent.tokens.max(1)) / span.as_secs_f64();
        Epoch {
            began: now,
            rate_before: rate,
            // One at least: the request that ends the epoch. From nothing no rate would grow again.
            delivered: self.sends.rate(span, now).max(one),
            span,
            rate: self.bound(rate * (1.0 - self.cut)),
            refusals: 1,
        }
    }

    fn hold_back(&mut self, epoch: Epoch, old: f64, ended: Ended) {
        let window = self.settings.window;
        let (count, asked) = (epoch.refusals, ended.retry_after);
        let requests = epoch.rate / self.cost();
        let pause = pause(count, requests, window, asked, &mut self.random);
        self.paused_until = self.paused_until.max(Some(later(ended.now, pause)));
        self.change = Some(Change {
            old,
            new: epoch.rate,
            cause: epoch.cause(),
            pause: Some(pause),
        });
    }

    fn accepted(&mut self, ended: Ended) {
        let (sent, now) = (ended.sent, ended.now);
        self.accepted.add(now, sent.tokens);
        if let Some(epoch) = self.epoch.filter(|epoch| sent.at > epoch.began) {
            self.reopen(epoch.lasted(self.span(epoch.rate_before, sent.at)), now);
        }
    }

    fn reopen(&mut self, epoch: Epoch, now: Instant) {
        let plateau = self.bound(epoch.rate_before.min(epoch.delivered));
        let requests = plateau / self.cost() * epoch.span.as_secs_f64();
        let back = epoch.span.mul_f64(self.random.between(0.85, 1.15));
        let cubic = Cubic::new(plateau, requests, back, self.settings.doubling());
        let old = self.rate(now);
        self.epoch = None;
        self.cut = cubic.cut();
        self.growth = Some(Growth::new(Curve::Cubic(cubic), now));
        self.change = Some(Change {
            old,
            new: self.rate(now),
            cause: Cause::Accepted,
            pause: None,
        });
    }
}

/// How the rate grows.
impl Adaptive {
    /// The rate by time alone, and as fast as it may be by what is in use of it.
    fn grown(&self, now: Instant) -> (f64, f64) {
        let start = self.settings.start_rate(self.cost());
        let Some(growth) = self.growth else {
            return (start, start);
        };
        let (rate, proven) = (growth.rate(start, now).min(FASTEST), growth.proven());
        if rate <= proven {
            return (rate, proven);
        }
        let used = self.accepted.rate(self.span(rate, now), now);
        (rate, proven.max(UNUSED_GROWTH * used + start))
    }

    /// The clock of the growth.
    fn tick(&mut self, now: Instant) {
        let (_, tried_out) = self.grown(now);
        let (start, step) = (
            self.settings.start_rate(self.cost()),
            self.settings.doubling(),
        );
        if let Some(growth) = &mut self.growth {
            growth.tick(start, tried_out, step, now);
        }
    }

    /// The time over which requests are counted: H. A window, or ten requests if that is longer; but not
    /// longer than some windows, nor than there is anything to count.
    fn span(&self, rate: f64, now: Instant) -> Duration {
        let window = self.settings.window;
        let ten = seconds(10.0 * self.cost() / rate);
        let settled = ten.clamp(window, window.saturating_mul(LONGEST_SPAN));
        let started = self.started.unwrap_or(now);
        let age = now.saturating_duration_since(started);
        settled.min(age.saturating_add(self.interval(rate)))
    }

    /// Between requests.
    fn interval(&self, rate: f64) -> Duration {
        interval(rate / self.cost())
    }

    fn cost(&self) -> f64 {
        self.cost.unwrap_or(1.0)
    }

    fn bound(&self, rate: f64) -> f64 {
        self.settings.bound(rate, self.cost())
    }
}
