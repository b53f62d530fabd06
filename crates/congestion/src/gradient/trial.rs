use std::time::{Duration, Instant};

use tower_throttle_core::Outcome;

use super::{
    Nepers,
    baseline::Trust,
    calendar::{Date, later},
    nepers,
};
use crate::{Bounds, Probe, Sample, dice::Dice};

/// How long nobody is sent, in latencies under load: until what is in flight, of everybody, is over.
const DRAIN: f64 = 1.2;

/// How long calls are sent then, few at a time.
const SENDING: f64 = 2.0;

/// How long the last of them may take: else only the fast ones would count.
const TAIL: f64 = 1.0;

/// All that takes so many times the time between two dates at most.
const LONGEST: f64 = 1.5;

/// Such a part of what is else in flight is meanwhile; who has less than this many pauses between the calls. One
/// call after another would tell no more about the server, and take longer to tell it.
const PART: f64 = 3.0;

/// Measures the latency with little to do.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    made_by_all: bool,
    resume_at: Instant,
    /// Nothing is sent from then on.
    closes_at: Instant,
    ends_at: Instant,
    /// The pause after a call, in its latencies, on average.
    pause: f64,
    at_most: u32,
    answered: f64,
    sum: Nepers,
}

impl Trial {
    /// From the date on, at a server that takes so long under load; `None` if it is too late for that. The limit
    /// may have fallen lately, because the server seemed to have too much to do: what it was before counts.
    pub(super) fn start(
        date: &Date,
        now: Instant,
        latency: Nepers,
        (limit, usual_limit): (f64, f64),
        dice: &mut Dice,
    ) -> Option<Self> {
        let longest = date.step.as_secs_f64() * LONGEST / (DRAIN + SENDING + TAIL);
        let latency = latency.exp().min(longest);
        let drained_at = later(date.at, secs(latency * DRAIN));
        let closes_at = later(drained_at, secs(latency * SENDING));
        let pause = (PART / limit - 1.0).max(0.0);
        // The others begin at other times.
        let head_start = (latency * pause).min(latency * SENDING) * dice.unit();
        let resume_at = later(drained_at, secs(head_start));
        (now < closes_at).then_some(Self {
            made_by_all: date.made_by_all,
            resume_at,
            closes_at,
            ends_at: later(closes_at, secs(latency * TAIL)),
            pause,
            at_most: Bounds::whole((usual_limit / PART).round()).max(1),
            answered: 0.0,
            sum: 0.0,
        })
    }

    pub(super) fn probe(&self) -> Probe {
        Probe::new(self.resume_at, self.ends_at).at_most(self.at_most)
    }

    pub(super) fn trust(&self) -> Trust {
        if self.made_by_all {
            Trust::Full
        } else {
            Trust::Similar
        }
    }

    pub(super) fn learn(&mut self, sample: &Sample, dice: &mut Dice) {
        if sample.outcome == Outcome::Succeeded {
            self.answered += 1.0;
            self.sum += nepers(sample.latency());
        }
        let pause = sample.latency().as_secs_f64() * self.pause * 2.0 * dice.unit();
        self.resume_at = later(sample.finished, secs(pause));
        if self.resume_at >= self.closes_at {
            self.resume_at = self.ends_at;
        }
    }

    /// How long calls took in the mean, and how many that were.
    pub(super) fn reading(&self) -> Option<(Nepers, f64)> {
        (self.answered > 0.0).then(|| (self.sum / self.answered, self.answered))
    }
}

/// As long as can be represented, at most.
fn secs(secs: f64) -> Duration {
    Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX)
}
