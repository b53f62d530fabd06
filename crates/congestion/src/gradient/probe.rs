use std::time::{Duration, Instant};

use tower_throttle_core::Outcome;

use super::{
    Nepers,
    calendar::{Anxiety, Date, later},
    nepers,
};
use crate::{Sample, dice::Dice};

/// How long nobody is sent, in latencies: until what is in flight, of everybody, is over.
const DRAIN: f64 = 1.2;
/// At most such a part of the time between two dates.
const LONGEST_DRAIN: f64 = 0.8;

/// Over which part of the drain the first calls after it are spread.
const SPREAD: f64 = 0.3;

/// The part of the limit that is in flight in a probe.
const PART: f64 = 3.0;

/// How many calls a probe takes: of one that isn't sure of its baseline, of one that doubts it, of one
/// that only looks.
const FIRST: f64 = 6.0;
const DOUBTFUL: f64 = 6.0;
const REGULAR: f64 = 3.0;

/// How long the pause between two rounds is on average, in latencies. Ten clients with one call each
/// load the server with four that way.
const PAUSE: f64 = 1.0;
const SHORT_PAUSE: f64 = 0.5;

/// What is left of a limit `l` after a probe that all make: `l^EVENING`, but at least such a part.
const EVENING: f64 = 0.9;
const LEAST_REST: f64 = 0.5;

/// A probe that gets no answers ends after so many times as long as it would take with them.
const PATIENCE: u32 = 4;

/// Measures the latency with little to do: drains the server, then sends a few calls one after
/// another.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    restore: f64,
    made_by_all: bool,
    resume_at: Instant,
    gives_up_at: Instant,
    in_flight: f64,
    rounds: f64,
    pause: f64,
    calls: f64,
    answered: f64,
    sum: Nepers,
}

/// What became of a probe.
#[derive(Debug, Clone, Copy)]
pub(super) enum Progress {
    Going,
    /// So many calls took so long in the mean.
    Done(f64, Option<Nepers>),
}

impl Probe {
    /// Drains from the date on, if the server takes so long at present.
    pub(super) fn start(
        date: &Date,
        now: Instant,
        latency: Nepers,
        limit: f64,
        calls: f64,
        dice: &mut Dice,
    ) -> Self {
        let drain = drain(latency).min(date.step.as_secs_f64() * LONGEST_DRAIN);
        let late = now.checked_sub(secs(drain / 2.0)).unwrap_or(now);
        let at = date.at.max(late);
        let in_flight = (limit / PART).floor().max(1.0);
        let rounds = (calls / in_flight).ceil();
        let resume_at = later(at, secs(drain * (1.0 + SPREAD * dice.unit())));
        let patience = secs(drain * (1.0 + rounds * (1.0 + PAUSE)));
        Self {
            restore: limit,
            made_by_all: date.made_by_all,
            resume_at,
            gives_up_at: later(resume_at, patience.saturating_mul(PATIENCE)),
            in_flight,
            rounds,
            pause: if calls > REGULAR { PAUSE } else { SHORT_PAUSE },
            calls: 0.0,
            answered: 0.0,
            sum: 0.0,
        }
    }

    pub(super) fn resume_at(&self) -> Instant {
        self.resume_at
    }

    /// How many may be in flight meanwhile.
    pub(super) fn in_flight(&self) -> f64 {
        self.in_flight
    }

    /// The limit to go back to. If all clients make a probe, those with large limits give up more than
    /// those with small ones, and then all climb.
    pub(super) fn restore(&self) -> f64 {
        if self.made_by_all {
            let evened = self.restore.powf(EVENING);
            evened.max(self.restore * LEAST_REST)
        } else {
            self.restore
        }
    }

    /// Whether all clients of the server make one now.
    pub(super) fn is_made_by_all(&self) -> bool {
        self.made_by_all
    }

    /// Whether it has gone on for so long that something must be wrong.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        now >= self.gives_up_at
    }

    pub(super) fn learn(&mut self, sample: &Sample, dice: &mut Dice) -> Progress {
        if sample.started < self.resume_at {
            return Progress::Going;
        }
        self.calls += 1.0;
        if sample.outcome == Outcome::Succeeded {
            self.answered += 1.0;
            self.sum += nepers(sample.latency());
        }
        if self.calls < self.in_flight {
            return Progress::Going;
        }
        self.rounds -= 1.0;
        self.calls = 0.0;
        let pause = sample.latency().as_secs_f64() * self.pause * 2.0 * dice.unit();
        self.resume_at = later(sample.finished, secs(pause));
        if self.rounds >= 1.0 {
            return Progress::Going;
        }
        let mean = (self.answered > 0.0).then(|| self.sum / self.answered);
        Progress::Done(self.answered, mean)
    }
}

pub(super) fn calls(anxiety: Anxiety) -> f64 {
    match anxiety {
        Anxiety::Young => FIRST,
        Anxiety::Doubt => DOUBTFUL,
        Anxiety::Calm => REGULAR,
    }
}

/// Rounded up to a power of √2, so that clients who measure nearly the same drain for the same time.
fn drain(latency: Nepers) -> f64 {
    let drain = latency.exp() * DRAIN;
    let step = (drain.log2() * 2.0).ceil() / 2.0;
    step.exp2().max(0.001)
}

/// As long as can be represented, at most.
fn secs(secs: f64) -> Duration {
    Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX)
}
