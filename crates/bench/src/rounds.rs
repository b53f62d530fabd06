//! Rounds in which every subject runs once, in rotating order, so that a noisy moment hits all.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Something to time.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Runs the operation so many times; answers nanoseconds for each.
    batch: Box<dyn FnMut(u64) -> f64>,
    /// Whether all of it happens on the calling thread.
    here: bool,
}

impl Subject {
    /// One that runs on other threads, and times itself.
    pub(crate) fn elsewhere(name: &'static str, batch: impl FnMut(u64) -> f64 + 'static) -> Self {
        Self {
            name,
            batch: Box::new(batch),
            here: false,
        }
    }

    /// One that runs on this thread.
    pub(crate) fn here(name: &'static str, mut batch: impl FnMut(u64) + 'static) -> Self {
        let timed = move |n| {
            let start = Instant::now();
            batch(n);
            nanos_per(start.elapsed(), n)
        };
        Self {
            name,
            batch: Box::new(timed),
            here: true,
        }
    }

    /// A plain function in a loop.
    pub(crate) fn repeated<T>(name: &'static str, mut op: impl FnMut() -> T + 'static) -> Self {
        Self::here(name, move |n| {
            for _ in 0..n {
                black_box(op());
            }
        })
    }

    /// Allocations for each operation, if it runs on this thread: others aren't counted.
    pub(crate) fn allocations(&mut self) -> Option<f64> {
        const RUNS: u64 = 1000;
        (self.batch)(RUNS);
        let counted = allocation_counter::measure(|| {
            (self.batch)(RUNS);
        });
        self.here.then(|| counted.count_total as f64 / RUNS as f64)
    }

    /// How many operations take about so long.
    fn calibrate(&mut self, batch: Duration) -> u64 {
        let mut n = 64;
        loop {
            let nanos = (self.batch)(n).max(0.01);
            if nanos * n as f64 >= batch.as_nanos() as f64 / 8.0 {
                return scale(batch, nanos);
            }
            n *= 2;
        }
    }
}

pub(crate) fn nanos_per(time: Duration, n: u64) -> f64 {
    time.as_nanos() as f64 / n as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive count, and a rough one"
)]
fn scale(batch: Duration, nanos: f64) -> u64 {
    (batch.as_nanos() as f64 / nanos).max(1.0) as u64
}

/// Runs all subjects in so many rounds: nanoseconds for each operation, by subject and round.
pub(crate) fn interleave(
    subjects: &mut [Subject],
    rounds: usize,
    batch: Duration,
) -> Vec<Vec<f64>> {
    let mut samples = vec![Vec::with_capacity(rounds); subjects.len()];
    // The counter of allocations takes about 1 ns of each while it is told to look away, else 2.
    allocation_counter::opt_out(|| {
        let sizes: Vec<u64> = subjects.iter_mut().map(|s| s.calibrate(batch)).collect();
        for round in 0..rounds {
            for i in rotated(subjects.len(), round) {
                samples[i].push((subjects[i].batch)(sizes[i]));
            }
        }
    });
    samples
}

/// `0..n`, beginning elsewhere in every round.
pub(crate) fn rotated(n: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..n).map(move |i| (i + round) % n)
}
