//! What probes tell.

use super::{
    Gradient,
    baseline::{Baseline, News, Reading, Trust},
    trial::Trial,
};
use crate::Sample;

/// The last probe.
#[derive(Debug, Clone)]
pub(super) struct Probed {
    pub(super) trial: Trial,
    /// As it was before.
    pub(super) before: Baseline,
}

impl Gradient {
    /// Reads the latency without a probe.
    pub(super) fn glance(&mut self) {
        if let Some(latency) = self.window.latency() {
            self.read(Some(Reading {
                latency,
                calls: f64::from(self.window.answered()),
                trust: Trust::Lower,
            }));
        }
    }

    pub(super) fn read(&mut self, reading: Option<Reading>) {
        if let Some(reading) = reading {
            let news = self.baseline.read(reading, self.usual.patience());
            self.heed(news);
        }
    }

    /// Reads a probe once more, with a call that it didn't wait for. If latencies vary, those that are answered
    /// in time are the fast ones; if they don't, what it tells of is the load after the probe.
    #[cold]
    pub(super) fn learn_late(&mut self, sample: &Sample) {
        if !self.usual.varies() {
            return;
        }
        let Some(Probed { trial, before }) = &mut self.probed else {
            return;
        };
        if trial.learn_late(sample) {
            self.baseline.clone_from(before);
            let reading = trial.reading();
            self.read(reading);
        }
    }

    pub(super) fn heed(&mut self, news: News) {
        match news {
            News::None => {}
            News::Doubtful => self.calendar.doubt(),
            News::Slower => self.climb.bind(),
        }
    }
}
