//! What happened when: the material of a plot.

use std::time::Duration;

/// What the server answered, counted by client in slices of time of equal length.
///
/// Slice `k` holds what the server decided from `k * slice` on, up to `(k + 1) * slice`, after the
/// beginning of the run. The warm-up is included, and all rows are equally long.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// The length of a slice.
    pub slice: Duration,
    /// Requests that were let in: for each client, for each slice.
    ///
    /// Clients that join later have rows from the start; a rogue has the last row.
    pub accepted: Vec<Vec<u32>>,
    /// Requests that were answered 429: for each client, for each slice.
    pub rejected: Vec<Vec<u32>>,
    /// What the server would have let in, in each slice: its quota, or the peak of its goodput.
    pub quota_per_slice: Vec<f64>,
}

impl Series {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(slice: Duration, clients: usize, slices: usize) -> Self {
        Self {
            slice,
            accepted: vec![vec![0; slices]; clients],
            rejected: vec![vec![0; slices]; clients],
            quota_per_slice: vec![0.0; slices],
        }
    }

    /// How many slices there are.
    #[must_use]
    pub fn slices(&self) -> usize {
        self.quota_per_slice.len()
    }

    /// Counts one answer. What comes after the last slice isn't counted.
    pub(crate) fn count(&mut self, client: usize, accepted: bool, at: Duration) {
        let rows = if accepted {
            &mut self.accepted
        } else {
            &mut self.rejected
        };
        let cell = rows
            .get_mut(client)
            .and_then(|row| row.get_mut(index(at, self.slice)));
        if let Some(cell) = cell {
            *cell += 1;
        }
    }
}

/// In which slice an instant lies.
pub(crate) fn index(at: Duration, slice: Duration) -> usize {
    let index = at.as_nanos() / slice.as_nanos().max(1);
    usize::try_from(index).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_answer_is_counted_in_the_slice_that_it_was_given_in() {
        let mut series = Series::new(SECOND, 2, 3);
        series.count(0, true, Duration::ZERO);
        series.count(1, true, 2 * SECOND);
        series.count(1, false, 3 * SECOND - Duration::from_nanos(1));

        assert_eq!(series.accepted, [[1, 0, 0], [0, 0, 1]]);
        assert_eq!(series.rejected, [[0, 0, 0], [0, 0, 1]]);
    }

    #[test]
    fn what_comes_after_the_end_is_not_counted() {
        let mut series = Series::new(SECOND, 1, 1);
        series.count(0, true, SECOND);
        series.count(1, true, Duration::ZERO);

        assert_eq!(series.accepted, [[0]]);
    }
}
