use std::time::{Duration, Instant};

use tower_throttle_core::Outcome;

use super::{
    Nepers,
    baseline::{Reading, Trust},
    calendar::{Date, later},
    nepers,
    window::EXTREME,
};
use crate::{Bounds, Probe, Sample, dice::Dice};

/// How long it takes, in latencies under load, until what is in flight is over, of everybody. Who is sent
/// meanwhile tells nothing.
const DRAIN: f64 = 1.2;

/// How long calls are sent then.
const SENDING: f64 = 2.0;

/// How long the last of them may take: else only the fast ones would count.
const TAIL: f64 = 0.6;

/// Who has heard so many calls needs no more.
const ENOUGH: f64 = 12.0;

/// All that takes so many times the time between two dates at most.
const LONGEST: f64 = 1.5;

/// Of what is else in flight, such a part is sent at a time: one call after another would tell no more about the
/// server, and take longer to tell it.
const PART: f64 = 2.2;

/// Who has less than this many in flight pauses between the calls: many clients with a call each are a load, too.
const PAUSING: f64 = 3.7;

/// Measures the latency with little to do.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    made_by_all: bool,
    resume_at: Instant,
    drained_at: Instant,
    /// Nothing is sent from then on.
    closes_at: Instant,
    ends_at: Instant,
    /// The pause after a call, in its latencies, on average.
    pause: f64,
    at_most: u32,
    /// No call counts as slower.
    slowest: Nepers,
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
        (used, before): (f64, f64),
        dice: &mut Dice,
    ) -> Option<Self> {
        let longest = date.step.as_secs_f64() * LONGEST / (DRAIN + SENDING + TAIL);
        let latency = latency.exp().min(longest);
        let drained_at = later(date.at, secs(latency * DRAIN));
        let closes_at = later(drained_at, secs(latency * SENDING));
        let pause = (PAUSING / used - 1.0).max(0.0);
        let resume_at = if pause > 0.0 {
            // The others begin at other times.
            let head_start = (latency * pause).min(latency * SENDING) * dice.unit();
            later(drained_at, secs(head_start))
        } else {
            date.at
        };
        (now < closes_at).then_some(Self {
            made_by_all: date.made_by_all,
            resume_at,
            drained_at,
            closes_at,
            ends_at: later(closes_at, secs(latency * TAIL)),
            pause,
            at_most: Bounds::whole((before / PART).round()).max(1),
            slowest: (latency * EXTREME).ln(),
            answered: 0.0,
            sum: 0.0,
        })
    }

    pub(super) fn probe(&self) -> Probe {
        Probe::new(self.resume_at, self.ends_at).at_most(self.at_most)
    }

    pub(super) fn learn(&mut self, sample: &Sample, dice: &mut Dice) {
        self.count(sample);
        let pause = sample.latency().as_secs_f64() * self.pause * 2.0 * dice.unit();
        self.resume_at = later(sample.finished, secs(pause));
        if self.resume_at >= self.closes_at {
            self.resume_at = self.ends_at;
        }
        if self.answered >= ENOUGH {
            self.at_most = 0;
        }
    }

    /// What is sent from now on tells of the load after it.
    pub(super) fn end(&mut self, now: Instant) {
        self.ends_at = self.ends_at.min(now);
    }

    /// A call that the probe didn't wait for. Whether it was sent during the probe.
    pub(super) fn learn_late(&mut self, sample: &Sample) -> bool {
        sample.started <= self.ends_at && self.count(sample)
    }

    /// Whether it tells anything.
    fn count(&mut self, sample: &Sample) -> bool {
        let tells = sample.outcome == Outcome::Succeeded && sample.started >= self.drained_at;
        if tells {
            self.answered += 1.0;
            self.sum += nepers(sample.latency()).min(self.slowest);
        }
        tells
    }

    /// How long calls took in the mean.
    pub(super) fn reading(&self) -> Option<Reading> {
        let trust = if self.made_by_all {
            Trust::Full
        } else {
            Trust::Similar
        };
        (self.answered > 0.0).then(|| Reading {
            latency: self.sum / self.answered,
            calls: self.answered,
            trust,
        })
    }
}

/// As long as can be represented, at most.
fn secs(secs: f64) -> Duration {
    Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "time has to begin somewhere; nothing here waits for it"
)]
mod tests {
    use super::*;

    /// A probe of a server that takes a second.
    fn trial(at: Instant) -> Trial {
        let date = Date {
            at,
            made_by_all: true,
            is_wanted: false,
            step: Duration::from_secs(5),
        };
        let limits = (20.0, 20.0);
        let trial = Trial::start(&date, at, 0.0, limits, &mut Dice::default());
        trial.expect("it is not too late")
    }

    fn call(sent: Instant, took: f64) -> Sample {
        Sample::new(sent, sent + secs(took), 5, Outcome::Succeeded)
    }

    /// Calls that were sent between the early end of a probe and its planned one counted as its own, if latencies
    /// varied.
    #[test]
    fn what_is_sent_after_an_early_end_tells_of_the_load_after_it() {
        let at = Instant::now();
        let mut trial = trial(at);
        trial.end(at + secs(2.0));

        assert!(trial.learn_late(&call(at + secs(1.9), 1.0)));
        assert!(!trial.learn_late(&call(at + secs(2.1), 1.0)));
    }

    /// A server that hung once, during a probe, would be one that is always so slow.
    #[test]
    fn a_call_that_hangs_counts_as_ten_times_the_latency_under_load() {
        let at = Instant::now();
        let mut trial = trial(at);
        assert!(trial.learn_late(&call(at + secs(1.5), 3600.0)));

        let latency = trial.reading().expect("it was answered").latency.exp();
        assert!((latency - EXTREME).abs() < 1e-6, "{latency}");
    }
}
