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
#[doc = include_str!("law.md")]
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
