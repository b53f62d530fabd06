use std::time::{Duration, Instant};

use super::{Gradient, probed::Probed, trial::Trial, usual::Usual, window::Window};
use crate::{Bounds, Change, Estimator, Probe, Sample, dice::Dice};

impl Estimator for Gradient {
    fn learn(&mut self, sample: &Sample, limit: f64, _bounds: Bounds) -> Option<Change> {
        if let Some(trial) = &mut self.trial {
            trial.learn(sample, &mut self.dice);
            return None;
        }
        if !self.window.add(sample) {
            self.learn_late(sample);
            return None;
        }
        let now = sample.finished;
        if self.calendar.has_date_by(now) {
            let change = self.begin_probe(limit, now);
            if self.trial.is_some() {
                return change;
            }
        }
        let over = self.window.is_over(now);
        over.then(|| self.close(limit, now))
    }

    fn baseline(&self) -> Option<Duration> {
        let latency = self.baseline.latency()?;
        Some(Duration::try_from_secs_f64(latency.exp()).unwrap_or(Duration::MAX))
    }

    fn probe(&self) -> Option<Probe> {
        self.trial.as_ref().map(Trial::probe)
    }

    fn end_probe(&mut self, now: Instant) {
        let Some(mut trial) = self.trial.take() else {
            return;
        };
        trial.end(now);
        let mut silent = 0;
        if trial.reading().is_none() {
            self.baseline.miss();
            silent = self
                .probed
                .as_ref()
                .map_or(1, |last| last.silent.saturating_add(1));
        }
        let before = self.baseline.clone();
        self.read(trial.reading());
        self.probed = Some(Probed {
            trial,
            before,
            silent,
        });
        self.window = Window::after(now, &self.usual);
    }

    fn reset(&mut self) {
        (self.trial, self.probed) = (None, None);
        self.window = Window::default();
        self.usual = Usual::default();
    }

    fn seed(&mut self, seed: u64) {
        self.dice = Dice::seeded(seed);
    }
}
