//! The gate: when a server says wait, everybody waits.

mod beside;
mod closure;
mod layer;
mod listen;
mod news;
mod settings;
mod shared;
mod word;

use std::time::{Duration, Instant};

use tower_throttle_core::{Limiter, Report, Snapshot, Wait};
use tower_throttle_jitter::{Generator, Jitter};

pub use self::{
    beside::Beside,
    closure::GatePermit,
    layer::RetryAfterLayer,
    listen::Listen,
    settings::OverCap,
    shared::SharedGate,
    word::{Concurrency, Word},
};
use self::{
    closure::Closure,
    news::News,
    settings::{Closing, Settings},
};

/// Lets everybody pass, or nobody until the instant that a server gave.
///
/// Most callers should use [`RetryAfterLayer`], which closes it by what responses say. The gate itself
/// is a plain state machine that is told the time: a [`Limiter`] that learns from [`Word`]s, and pairs
/// with others.
///
/// ```text
/// seconds   0       1       2       3       4       5
/// words             wait 3  wait 1                          the second ends sooner: nothing changes
/// offered   | | | | | | | | | | | | | | | | | | | | | | | |
/// passes    | | | | |                         |    |  | |||||||||| |
///                                           4 ↑ plus jitter, then faster and faster
/// ```
///
/// # While it is closed
///
/// A word that ends later extends the closure; one that ends earlier changes nothing. A pause above
/// the [`cap`](Self::cap) is treated as [`over_cap`](Self::over_cap) says.
///
/// A word stops those who have no permit yet. Whoever was granted one before it came still sends: besides
/// what is on its way already, that is a request whose inner service isn't ready, for as long as a [shelf
/// life](tower_throttle_core::SHELF_LIFE), a service with
/// [`backpressure`](tower_throttle_core::Backpressure) that said it was ready, for as long as it isn't
/// called, a call that was made and granted at once but that nobody polls, since most clients do nothing
/// until then, and a permit of [`SharedGate::acquire`] in somebody's hands. *Why not take it back?* A
/// service that is ready must take the call.
///
/// # How it opens again
///
/// Never before the end of the pause. The spread `s` is what the [`jitter`](Self::jitter) may add to
/// the pause, by default up to a quarter of it, and at most [`max_spread`](Self::max_spread):
///
/// * The first request passes at the end of the pause plus `U[0, s)`, drawn once per closure. Gates
///   in different processes draw differently, so they do not return in step.
/// * The next follow one by one, the `k`-th gap being `s/8k · U[½, 1½)`: about `s/8 · (ln n + 0.6)` for
///   `n` requests, which is 0.65 of the spread for 100 and 0.94 for 1024. A server that still
///   says wait is asked by a few, and not by all who waited.
///
/// Requests that come while it opens stand in the same line. It is wide open once the spread is over
/// again and nobody waits.
///
/// *Why not evenly over the spread?* That takes knowing how many will come. Those who wait are not all:
/// others come while it opens, and those whose requests were answered 429 are about to ask again. A slow
/// start (as in TCP, RFC 5681 §3.1) suits any number.
#[derive(Debug, Default)]
pub struct Gate {
    settings: Settings,
    generator: Generator,
    closure: Option<Closure>,
    news: News,
}

impl Gate {
    /// An open gate, with the randomness of the process's next stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The longest pause to obey without asking somebody. Default: 120 s, [`Signals::CAP`].
    ///
    /// [`Signals::CAP`]: crate::Signals::CAP
    #[must_use]
    pub fn cap(mut self, cap: Duration) -> Self {
        self.settings.cap = cap;
        self
    }

    /// What becomes of a pause above the cap. Default: [`OverCap::Surface`].
    #[must_use]
    pub fn over_cap(mut self, over_cap: OverCap) -> Self {
        self.settings.over_cap = over_cap;
        self
    }

    /// How far the end of a pause is spread: as far as this may lengthen the pause. Default:
    /// [`Jitter::upward`] by 0.25 (axios-retry adds up to 0.2, Envoy up to 0.5).
    ///
    /// # Panics
    ///
    /// If it may shorten the pause: [`Jitter::full`], [`Jitter::equal`], and [`Jitter::proportional`] by
    /// more than zero. The others never do.
    #[must_use]
    #[track_caller]
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.settings.jitter = settings::upward(jitter);
        self
    }

    /// The longest spread. Default: 10 s. Zero: all who wait leave at the end of the pause.
    #[must_use]
    pub fn max_spread(mut self, max_spread: Duration) -> Self {
        self.settings.max_spread = max_spread;
        self
    }

    /// The shortest pause to obey. Default: zero, every one.
    ///
    /// For a gate beside a limiter that paces requests and hears the same words: servers round up to
    /// whole seconds, and a second may be more than is left of a short window.
    #[must_use]
    pub fn min_pause(mut self, min_pause: Duration) -> Self {
        self.settings.min_pause = min_pause;
        self
    }

    /// Where the randomness comes from. Default: [`Generator::new`].
    #[must_use]
    pub fn generator(self, generator: Generator) -> Self {
        Self { generator, ..self }
    }

    /// Closes the gate for so long, by hand: no cap applies. Zero does nothing.
    ///
    /// If it is closed for longer already, it stays so.
    pub fn pause(&mut self, pause: Duration, now: Instant) {
        let closing = Closing {
            pause,
            asked: pause,
            refuses: false,
        };
        self.close(closing, now);
    }

    /// Opens the gate, whatever was said. All who wait leave at once.
    pub fn resume(&mut self, now: Instant) {
        if let Some(closure) = self.closure.take() {
            self.news.opened(&closure, now);
        }
    }

    /// When the next request will pass, jitter included; `None` if one would pass now.
    ///
    /// This is so while the gate opens as well. Of a gate that refuses requests it is when the first one
    /// will pass, too.
    #[must_use]
    pub fn resume_at(&self, now: Instant) -> Option<Instant> {
        let next = self.closure.as_ref().map(Closure::next);
        next.filter(|next| now < *next)
    }

    /// Obeys a server, as far as the cap allows.
    fn obey(&mut self, asked: Duration, now: Instant) {
        if asked >= self.settings.min_pause {
            self.close(self.settings.judge(asked), now);
        }
    }

    fn close(&mut self, closing: Closing, now: Instant) {
        if closing.pause.is_zero() {
            return;
        }
        let spread = self.settings.spread(closing.pause);
        let newsworthy = match &mut self.closure {
            Some(closure) if closure.is_shut(now) => closure.extend(&closing, spread, now),
            previous => {
                let lead = self.generator.unit();
                let next = previous.as_ref().map(Closure::next);
                let closure = Closure::new(&closing, spread, lead, now);
                *previous = Some(closure.not_before(next));
                true
            }
        };
        if newsworthy {
            self.news.closed(closing);
        }
    }

    fn with(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }
}

impl Limiter for Gate {
    type Cost = ();
    type Permit = GatePermit;
    type Feedback = Word;

    fn check(&self, _cost: &(), now: Instant) -> Wait {
        self.closure
            .as_ref()
            .map_or(Wait::Now, |closure| closure.check(now))
    }

    fn take(&mut self, _cost: (), at: Instant) -> GatePermit {
        let Some(closure) = &mut self.closure else {
            return GatePermit::default();
        };
        if closure.opens() {
            self.news.opened(closure, at);
        }
        if closure.is_over(at) {
            self.closure = None;
            return GatePermit::default();
        }
        closure.release(at, self.generator.unit())
    }

    fn cancel(&mut self, permit: GatePermit, _now: Instant) {
        if let Some(closure) = &mut self.closure {
            closure.take_back(&permit);
        }
    }

    fn complete(&mut self, _permit: GatePermit, word: Option<Word>, now: Instant) {
        if let Some(pause) = word.and_then(|word| word.pause) {
            self.obey(pause, now);
        }
    }

    /// How many are ahead doesn't tell when the last one passes, but nobody passes sooner than this.
    fn predict(&self, _ahead: (), cost: &(), now: Instant) -> Wait {
        self.check(cost, now)
    }

    fn describe(&self, snapshot: &mut Snapshot, now: Instant) {
        snapshot.resume_at = self.resume_at(now);
    }

    fn report(&mut self) -> Option<Report> {
        self.news.take()
    }
}
