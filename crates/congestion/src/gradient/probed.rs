//! What probes tell.

use super::{
    Gradient,
    baseline::{Baseline, News, Reading, Trust},
    trial::Trial,
};
use crate::Sample;

/// After so many probes in a row that were over before any of their calls was, the server isn't what it was.
const SILENT: u32 = 2;

/// A mean is lower by so many standard deviations by chance.
const BY_CHANCE: f64 = 2.0;

/// The last probe.
#[derive(Debug, Clone)]
pub(super) struct Probed {
    pub(super) trial: Trial,
    /// As it was before.
    pub(super) before: Baseline,
    /// How many in a row were over before any of their calls was.
    pub(super) silent: u32,
}

impl Gradient {
    /// Reads the latency without a probe. Only a lower one counts, hence what may be chance doesn't.
    pub(super) fn glance(&mut self) {
        if let Some(latency) = self.window.latency() {
            let calls = f64::from(self.window.answered());
            let chance = BY_CHANCE * (self.usual.variance() / calls).sqrt();
            self.read(Some(Reading {
                latency: latency + chance,
                calls,
                trust: Trust::Lower,
            }));
        }
    }

    pub(super) fn read(&mut self, reading: Option<Reading>) {
        if let Some(reading) = reading {
            let news = self.baseline.read(reading, self.usual.prior());
            self.heed(news);
        }
    }

    /// Reads a probe once more, with a call that it didn't wait for. If latencies vary, those that are answered
    /// in time are the fast ones; and if none was, the server has become much slower. Else, what such a call tells
    /// of is the load after the probe.
    #[cold]
    pub(super) fn learn_late(&mut self, sample: &Sample) {
        let varies = self.usual.varies();
        let Some(probed) = &mut self.probed else {
            return;
        };
        let Probed { trial, before, .. } = probed;
        if (varies || probed.silent >= SILENT) && trial.learn_late(sample) {
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
