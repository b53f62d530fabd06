mod setters;
mod settings;
mod steps;

use std::time::{Duration, Instant};

use tower_throttle_core::Outcome;

pub(crate) use self::settings::Preset;
use self::settings::{Settings, Steps};
pub use self::steps::{decrease, increase};
use crate::{
    Cause, Change, Ended, Law, Sent,
    pause::pause,
    random::Random,
    time::{interval, later, seconds},
};

/// The steps are spread by this much to either side, as in the original.
const JITTER: f64 = 0.2;

/// The start, as a share of `max_rate`: as for the adaptive law, whoever else uses the quota starts too.
const START_SHARE: f64 = 1.0 / 9.0;

/// A send counts as delayed by the rate if it follows the one before within this many intervals.
const PROMPT: f64 = 1.25;

/// Additive increase, multiplicative decrease: cuts the rate when a request is turned away, and lets it
/// grow bit by bit.
///
/// (Chiu and Jain, *Analysis of the increase and decrease algorithms for congestion avoidance*, 1989; the
/// steps and presets are those of the stkai SDK.)
///
/// ```text
///  max_rate ┤────╮                      ╭───
///           ┤    │              ╭──╯ recovery · max_rate in each window
///           ┤    ╰───╮  ╭──╯
///     floor ┤ ─ ─ ─ ─╰──╯ ─ ─ ─ ─ ─ ─ ─ ─ ─
///           └────┬───┬──┬──────────────────▶ time
///               429 429 200
/// ```
///
/// The limit `E` steps between `floor · max_rate` and `max_rate`: [`decrease`] and [`increase`], each
/// spread by ±20 %. A [`min_rate`](Self::min_rate) above the floor takes its place.
///
/// It begins at a ninth of `max_rate`, or the floor, and doubles in each half window until the first 429
/// (slow start: RFC 5681 §3.1). The original begins at `max_rate`: ten clients of one quota, with work for
/// five windows, are then refused 14 % of all attempts, and 8 % so (`conservative`).
///
/// | | penalty | recovery | floor | the layer's `max_wait` |
/// |---|---|---|---|---|
/// | [`conservative`](Self::conservative) | 0.5 | 0.02 | 0.05 | 120 s |
/// | [`balanced`](Self::balanced) | 0.3 | 0.05 | 0.1 | 45 s |
/// | [`optimistic`](Self::optimistic) | 0.15 | 0.1 | 0.3 | 20 s |
///
/// # When it steps
///
/// * **Down** once for each time of congestion: 429s to requests that were sent before the last cut don't
///   cut. After a cut nobody is sent for an interval, and longer if the next is turned away as well, as
///   with [`Adaptive`](crate::Adaptive).
/// * **Up** by time: a whole step for each window in which the rate was used, so that the
///   growth of all clients does not depend on how many requests there are. Time counts as used if a
///   send follows another as closely as the rate lets it (within 1¼ intervals), and if a response follows that shows
///   that requests are let in: a success, or an error such as 404.
/// * **Not at all** for other failures, and for what was dropped in flight.
///
/// Requests leave evenly, from a random phase. However low the rate, one token fits: nothing is
/// stuck below one request per window.
///
/// With [`per_response`](Self::per_response) it steps down for every 429 and up for every success instead,
/// and the bucket holds as much as the limit, one token at least. The share of 429s in all attempts is
/// then `f` of `f/(1 − f)² = n · recovery/penalty` with `n` clients of one quota, whatever else
/// is done: 46 % for ten of them.
///
/// # Choosing
///
/// [`Adaptive`](crate::Adaptive) uses more of a quota with fewer 429s. This one is simple, and
/// shares evenly. Mind that `n` clients at their floors may be more than the quota: above 10 for
/// `balanced` and 3 for `optimistic`, if each has all of it as `max_rate`.
#[derive(Debug, Clone)]
pub struct Aimd {
    settings: Settings,
    random: Random,
    /// The limit as it is now, in tokens per window; after the start.
    effective: f64,
    started: Option<Instant>,
    last_cut: Option<Instant>,
    last_sent: Option<Sent>,
    /// The send before that, and the time that counts as used between them.
    before: Option<(Option<Sent>, Duration)>,
    /// For how long the rate has been used since the last step.
    used: Duration,
    /// Of requests that were sent after the last cut, since the last success.
    refusals: u32,
    paused_until: Option<Instant>,
    change: Option<Change>,
}

impl Law for Aimd {
    fn begin(&mut self, now: Instant) {
        if self.settings.steps == Steps::PerTime {
            self.started = Some(now);
            let phase = self.random.split().part_of(interval(self.rate(now)));
            self.paused_until = Some(later(now, phase));
        }
    }

    fn rate(&self, now: Instant) -> f64 {
        self.limit(now) / self.settings.window().as_secs_f64()
    }

    fn burst(&self) -> u32 {
        match self.settings.steps {
            Steps::PerTime => 1,
            Steps::PerResponse => whole(self.effective),
        }
    }

    fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    fn resume(&mut self) {
        self.paused_until = None;
    }

    fn sent(&mut self, sent: Sent) {
        let last = self.last_sent.replace(sent);
        let prompt = last.filter(|last| self.is_prompt(last, sent.at));
        let gap = prompt.map(|last| sent.at.saturating_duration_since(last.at));
        let gap = gap.unwrap_or_default();
        self.before = Some((last, gap));
        self.used = self.used.saturating_add(gap);
    }

    /// The latest leaves no trace. An earlier one takes as much as it may have counted for.
    fn unsent(&mut self, sent: Sent) {
        let is_latest = self.last_sent == Some(sent);
        let before = self.before.filter(|_| is_latest);
        let (before, gap) = before.unwrap_or_else(|| (None, self.due(&sent)));
        self.used = self.used.saturating_sub(gap);
        if is_latest {
            self.last_sent = before;
            self.before = None;
        }
    }

    fn ended(&mut self, ended: Ended) {
        let is_fresh = self.last_cut.is_none_or(|cut| ended.sent.at > cut);
        match (ended.outcome, self.settings.steps) {
            (Outcome::Throttled, Steps::PerResponse) => self.cut(ended.now),
            (Outcome::Throttled, Steps::PerTime) if is_fresh => self.refused(ended),
            (Outcome::Succeeded, Steps::PerResponse) => self.accepted(1.0, ended.now),
            (Outcome::Succeeded | Outcome::Ignored, Steps::PerTime) if is_fresh => {
                self.used_up(ended.now);
            }
            (Outcome::Throttled | Outcome::Failed, Steps::PerTime) => self.used = Duration::ZERO,
            _ => {}
        }
    }

    fn change(&mut self) -> Option<Change> {
        self.change.take()
    }
}

impl Aimd {
    fn refused(&mut self, ended: Ended) {
        self.cut(ended.now);
        let (window, asked) = (self.settings.window(), ended.retry_after);
        let rate = self.rate(ended.now);
        let pause = pause(self.refusals, rate, window, asked, &mut self.random);
        self.paused_until = self.paused_until.max(Some(later(ended.now, pause)));
        self.change = self.change.map(|change| Change {
            pause: Some(pause),
            ..change
        });
    }

    /// Grows by what was used of the rate.
    fn used_up(&mut self, now: Instant) {
        let window = self.settings.window();
        let used = std::mem::take(&mut self.used).min(window);
        self.accepted(used.as_secs_f64() / window.as_secs_f64(), now);
    }

    fn accepted(&mut self, steps: f64, now: Instant) {
        let old = self.rate(now);
        self.grow(steps);
        if std::mem::take(&mut self.refusals) > 0 {
            self.change = Some(Change {
                old,
                new: self.rate(now),
                cause: Cause::Accepted,
                pause: None,
            });
        }
    }

    /// Whether a send at `at` follows as closely as the rate lets it.
    fn is_prompt(&self, last: &Sent, at: Instant) -> bool {
        at.saturating_duration_since(last.at) <= self.due(last)
    }

    /// The longest time after a send within which the next one is prompt.
    fn due(&self, sent: &Sent) -> Duration {
        seconds(PROMPT * f64::from(sent.tokens) / self.rate(sent.at))
    }

    fn cut(&mut self, now: Instant) {
        let (penalty, floor) = (self.settings.penalty, self.settings.floor());
        let (old, jitter) = (self.rate(now), self.jitter());
        let limit = self.limit(now);
        self.effective = decrease(limit, self.settings.max(), penalty, floor, jitter);
        self.used = Duration::ZERO;
        self.refusals = self.refusals.saturating_add(1);
        self.last_cut = self.last_cut.max(Some(now));
        self.change = Some(Change {
            old,
            new: self.rate(now),
            cause: if self.refusals == 1 {
                Cause::Throttled
            } else {
                Cause::ThrottledAgain
            },
            pause: None,
        });
    }

    fn grow(&mut self, steps: f64) {
        let recovery = self.settings.recovery * steps;
        let jitter = self.jitter();
        self.effective = increase(self.effective, self.settings.max(), recovery, jitter);
    }

    fn jitter(&mut self) -> f64 {
        self.random.between(1.0 - JITTER, 1.0 + JITTER)
    }

    /// In tokens per window.
    fn limit(&self, now: Instant) -> f64 {
        let started = self.started.filter(|_| self.last_cut.is_none());
        let Some(started) = started else {
            return self.effective;
        };
        let age = now.saturating_duration_since(started).as_secs_f64();
        let doublings = 2.0 * age / self.settings.window().as_secs_f64();
        let start = START_SHARE.max(self.settings.floor());
        self.effective * (start * doublings.exp2()).min(1.0)
    }
}

/// The tokens of a bucket that must hold one at least.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates"
)]
fn whole(effective: f64) -> u32 {
    (effective as u32).max(1)
}
