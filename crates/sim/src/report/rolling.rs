use std::ops::Range;

use crate::{Series, report::statistics::ratio};

/// What happened in each slice, all clients together, and the times that follow from it.
#[derive(Debug)]
pub(super) struct Rolling {
    accepted: Vec<u32>,
    rejected: Vec<u32>,
    quota: Vec<f64>,
    /// How many slices a window has.
    window: usize,
}

impl Rolling {
    pub(super) fn new(series: &Series, window: usize) -> Self {
        Self {
            accepted: totals(&series.accepted, series.slices()),
            rejected: totals(&series.rejected, series.slices()),
            quota: series.quota_per_slice.clone(),
            window,
        }
    }

    /// Which share of the quota was used in these slices.
    pub(super) fn utilisation(&self, slices: Range<usize>) -> f64 {
        let quota = self.quota[self.within(slices.clone())].iter().sum();
        ratio(self.accepted(slices).into(), quota).unwrap_or(0.0)
    }

    /// How many 429s there were for each request that was let in.
    pub(super) fn rejected_per_accepted(&self, slices: Range<usize>) -> f64 {
        let rejected = f64::from(self.rejected(slices.clone()));
        let none = if rejected > 0.0 { f64::INFINITY } else { 0.0 };
        ratio(rejected, self.accepted(slices).into()).unwrap_or(none)
    }

    /// 429s, as a share of all answers.
    pub(super) fn rejected_share(&self, slices: Range<usize>) -> f64 {
        let rejected = f64::from(self.rejected(slices.clone()));
        ratio(rejected, rejected + f64::from(self.accepted(slices))).unwrap_or(0.0)
    }

    pub(super) fn accepted(&self, slices: Range<usize>) -> u32 {
        self.accepted[self.within(slices)].iter().sum()
    }

    pub(super) fn rejected(&self, slices: Range<usize>) -> u32 {
        self.rejected[self.within(slices)].iter().sum()
    }

    /// After how many windows from slice `from` on a whole window is as wished; infinite if none is.
    pub(super) fn windows_until(
        &self,
        from: usize,
        wished: impl Fn(&Self, Range<usize>) -> bool,
    ) -> f64 {
        let last = self.accepted.len().saturating_sub(self.window);
        let begin = (from..=last).find(|&begin| wished(self, begin..begin + self.window));
        begin.map_or(f64::INFINITY, |begin| {
            self.in_windows(begin + self.window - from)
        })
    }

    fn in_windows(&self, slices: usize) -> f64 {
        let number = |count| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        number(slices) / number(self.window)
    }

    fn within(&self, slices: Range<usize>) -> Range<usize> {
        let end = slices.end.min(self.accepted.len());
        slices.start.min(end)..end
    }
}

fn totals(rows: &[Vec<u32>], slices: usize) -> Vec<u32> {
    let total = |slice| rows.iter().map(|row: &Vec<u32>| row[slice]).sum();
    (0..slices).map(total).collect()
}
