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
        }
    }

    /// How long a step is, in seconds.
    pub(super) fn step(&self) -> f64 {
        self.slice * real(self.group)
    }

    /// How long it all is, in seconds.
    pub(super) fn end(&self) -> f64 {
        self.slice * real(self.slices.max(1))
    }

    /// The mean of each step.
    pub(super) fn means(&self, values: &[f64]) -> Vec<f64> {
        let chunks = values.chunks(self.group);
        chunks
            .map(|chunk| chunk.iter().sum::<f64>() / real(chunk.len()))
            .collect()
    }

    /// The mean of each step, per second.
    pub(super) fn rates(&self, counts: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let counts: Vec<_> = counts.into_iter().map(|count| count / self.slice).collect();
        self.means(&counts)
    }

    /// The corners of stairs of these heights, both scaled.
    pub(super) fn stairs(&self, heights: &[f64], scale: (f64, f64)) -> Vec<(f64, f64)> {
        let edge = |k: usize| (real(k) * self.step()).min(self.end()) * scale.0;
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
        let rates = bins.rates([6.0, 2.0].into_iter().chain(std::iter::repeat_n(2.0, 78)));
        assert!(near(rates[0], 2.0) && near(rates[1], 1.0));
        assert_eq!(rates.len(), 40);
        let stairs = bins.stairs(&rates, (0.5, 2.0));
        assert_eq!(stairs[..3], [(0.0, 4.0), (2.0, 4.0), (2.0, 2.0)]);
    }

    #[test]
    fn nothing_at_all_can_be_drawn() {
        let bins = bins(0, 0, 0);
        assert!(bins.rates([]).is_empty());
        assert!(bins.end() > 0.0);
    }
}
