//! Rounds in which every subject runs once, in rotating order, so that a noisy moment hits all.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Something to time.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Runs the operation so many times.
    batch: Box<dyn FnMut(u64) -> Spent>,
    /// Whether all of it happens on the calling thread.
    here: bool,
}

/// What a batch took, for each operation.
pub(crate) struct Spent {
    pub(crate) nanos: f64,
    /// On other threads than the caller's.
    pub(crate) allocs: f64,
}

impl Subject {
    /// One that runs on other threads, and measures itself.
    pub(crate) fn elsewhere(name: &'static str, batch: impl FnMut(u64) -> Spent + 'static) -> Self {
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
            Spent {
                nanos: nanos_per(start.elapsed(), n),
                allocs: 0.0,
            }
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

    /// Allocations for each operation.
    pub(crate) fn allocations(&mut self) -> f64 {
        const RUNS: u64 = 1000;
        let elsewhere = (self.batch)(RUNS).allocs;
        let counted = allocation_counter::measure(|| {
            (self.batch)(RUNS);
        });
        if self.here {
            allocs_per(counted.count_total, RUNS)
        } else {
            elsewhere
        }
    }

    /// How many operations take about so long.
    fn calibrate(&mut self, batch: Duration) -> u64 {
        let mut n = 64;
        loop {
            let nanos = (self.batch)(n).nanos.max(0.01);
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

pub(crate) fn allocs_per(allocations: u64, n: u64) -> f64 {
    allocations as f64 / n as f64
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
                samples[i].push((subjects[i].batch)(sizes[i]).nanos);
            }
        }
    });
    samples
}

/// `0..n`, beginning elsewhere in every round.
pub(crate) fn rotated(n: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..n).map(move |i| (i + round) % n)
}
