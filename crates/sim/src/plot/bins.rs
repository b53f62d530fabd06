use std::time::Duration;

/// At least so many steps are drawn, if there is enough to draw.
const FEWEST: u32 = 40;
/// At most so many.
const MOST: u32 = 150;

/// Slices of a run, put together into steps that an eye can tell apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bins {
    slice: f64,
    slices: usize,
    /// How many slices make a step.
    group: usize,
    /// How many make the first one, if it is a part of one.
    first: usize,
}

impl Bins {
    /// Steps of one window, or of a whole part of it if there are few windows.
    pub(super) fn new(slice: Duration, slices: usize, window: Duration) -> Self {
        let slice = slice.as_secs_f64().max(1e-9);
        let wanted = step(slice * real(slices), window.as_secs_f64()) / slice;
        let group = (1..=slices).find(|&group| real(group) > wanted - 0.5);
        Self {
            slice,
            slices,
            group: group.unwrap_or(1),
            first: 0,
        }
    }

    /// Steps that begin where the windows of the server do, as far as can be told: where the fewest are
    /// accepted beyond the quota.
    ///
    /// Otherwise clients that use up a window at its beginning, now a bit earlier and now later, would
    /// seem to get one and a half of the quota and then half of it.
    pub(super) fn aligned(self, accepted: &[f64], quota: &[f64]) -> Self {
        let firsts = 0..self.group.min(self.slices).max(1);
        let aligned = firsts.map(|first| Self { first, ..self });
        let beyond = |bins: &Self| bins.beyond(accepted, quota);
        aligned
            .min_by(|a, b| beyond(a).total_cmp(&beyond(b)))
            .unwrap_or(self)
    }

    fn beyond(&self, accepted: &[f64], quota: &[f64]) -> f64 {
        let steps = self.rates(accepted).into_iter().zip(self.rates(quota));
        steps.map(|(a, q)| (a - q).max(0.0)).sum()
    }

    /// How long a step is, in seconds.
    pub(super) fn step(&self) -> f64 {
        self.slice * real(self.group)
    }

    /// How long it all is, in seconds.
    pub(super) fn end(&self) -> f64 {
        self.slice * real(self.slices.max(1))
    }

    /// How many slices begin before this time, in seconds.
    pub(super) fn slices_until(&self, time: f64) -> usize {
        let early = |&k: &usize| real(k) * self.slice < time - 1e-6;
        (0..self.slices).take_while(early).count()
    }

    /// The mean of each step.
    pub(super) fn means(&self, values: &[f64]) -> Vec<f64> {
        let steps = self.steps(values);
        steps.map(|step| sum(step) / real(step.len())).collect()
    }

    /// The mean of each step, of what is so much in a slice, per second.
    pub(super) fn means_per_second(&self, values: &[f64]) -> Vec<f64> {
        let means = self.means(values).into_iter();
        means.map(|mean| mean / self.slice).collect()
    }

    /// How many there were in each step, per second.
    ///
    /// What a server counted in a window that had begun before the run is shown as that of a whole
    /// window; of the last, if the run ends within it, nothing is.
    pub(super) fn rates(&self, counts: &[f64]) -> Vec<f64> {
        let shortest = if self.first > 0 { self.group } else { 1 };
        let steps = self.steps(counts).enumerate();
        let whole = steps.filter(|(k, step)| *k == 0 || step.len() >= shortest);
        whole
            .map(|(k, step)| {
                let slices = if k == 0 { self.group } else { step.len() };
                sum(step) / (self.slice * real(slices))
            })
            .collect()
    }

    fn steps<'v>(&self, values: &'v [f64]) -> impl Iterator<Item = &'v [f64]> {
        let (first, rest) = values.split_at(self.first.min(values.len()));
        let first = (!first.is_empty()).then_some(first);
        first.into_iter().chain(rest.chunks(self.group))
    }

    /// The corners of stairs of these heights, both scaled.
    pub(super) fn stairs(&self, heights: &[f64], scale: (f64, f64)) -> Vec<(f64, f64)> {
        let before = if self.first > 0 {
            self.group - self.first
        } else {
            0
        };
        let edge = |k: usize| {
            let slices = (k * self.group).saturating_sub(before);
            real(slices.min(self.slices)) * self.slice * scale.0
        };
        let corners = heights.iter().enumerate().flat_map(|(k, height)| {
            let height = height * scale.1;
            [(edge(k), height), (edge(k + 1), height)]
        });
        corners.collect()
    }
}

/// How long a step should be: a window of a long run, an even part of one of a short run.
fn step(length: f64, window: f64) -> f64 {
    if window <= 0.0 {
        return length / f64::from(MOST);
    }
    let windows = length / window;
    let parts = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
    let part = parts
        .into_iter()
        .find(|part| windows * part >= f64::from(FEWEST))
        .unwrap_or(100.0);
    let together = (windows * part / f64::from(MOST)).ceil().max(1.0);
    window / part * together
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

/// The highest of these heights; none is below zero.
pub(super) fn highest(heights: &[f64]) -> f64 {
    heights.iter().copied().fold(0.0, f64::max)
}

/// A count as a number; nobody counts beyond four billion here.
pub(super) fn real(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(slice_s: u64, slices: usize, window_s: u64) -> Bins {
        let [slice, window] = [slice_s, window_s].map(Duration::from_secs);
        Bins::new(slice, slices, window)
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn a_long_run_is_drawn_by_windows() {
        assert!(near(bins(6, 600, 60).step(), 60.0));
        assert!(near(bins(1, 3000, 10).step(), 20.0));
    }

    #[test]
    fn a_short_run_is_drawn_by_parts_of_a_window() {
        assert!(near(bins(1, 300, 60).step(), 6.0));
    }

    #[test]
    fn no_step_is_shorter_than_a_slice() {
        assert!(near(bins(60, 5, 60).step(), 60.0));
    }

    #[test]
    fn a_step_says_how_many_there_were_in_a_second() {
        let bins = bins(2, 80, 4);
        let mut counts = vec![2.0; 80];
        counts[0] = 6.0;
        let rates = bins.rates(&counts);
        assert!(near(rates[0], 2.0) && near(rates[1], 1.0));
        assert_eq!(rates.len(), 40);
        let stairs = bins.stairs(&rates, (0.5, 2.0));
        assert_eq!(stairs[..3], [(0.0, 4.0), (2.0, 4.0), (2.0, 2.0)]);
    }

    /// Windows of ten slices, the first of which begins in the middle: the whole quota is accepted in
    /// the first slice of one, and in the last of the next.
    fn bursts(slices: u32) -> Vec<f64> {
        let slices = (5..5 + slices).map(|slice| match slice % 20 {
            0 | 19 => 10.0,
            _ => 0.0,
        });
        slices.collect()
    }

    #[test]
    fn steps_begin_with_the_windows_of_the_server() {
        let bins = bins(1, 400, 10);
        let bursts = bursts(400);
        let quota = vec![1.0; 400];
        assert!(near(highest(&bins.rates(&bursts)), 2.0));

        let aligned = bins.aligned(&bursts, &quota);
        assert_eq!(aligned.first, 5);
        let rates = aligned.rates(&bursts);
        assert_eq!(rates.len(), 40);
        assert!(rates[1..].iter().all(|&rate| near(rate, 1.0)));
        assert_eq!(
            aligned.stairs(&rates, (1.0, 1.0))[2].0.total_cmp(&5.0),
            std::cmp::Ordering::Equal
        );
    }

    #[test]
    fn nothing_at_all_can_be_drawn() {
        let bins = bins(0, 0, 0);
        assert!(bins.rates(&[]).is_empty());
        assert!(bins.aligned(&[], &[]).end() > 0.0);
        assert!(bins.end() > 0.0);
    }
}
