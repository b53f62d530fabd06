use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use super::{Config, Run, run};

/// Simulates a run for each seed from 1 to `seeds`, as many at a time as there are processors, and
/// returns what `figure` makes of each, by seed.
///
/// `progress` is called at the end of every window of every run.
pub fn each_seed<T: Send>(
    config: &Config,
    seeds: u64,
    figure: impl Fn(Run) -> T + Sync,
    progress: impl Fn() + Sync,
) -> Vec<T> {
    let next = AtomicU64::new(1);
    let figures = Mutex::new(Vec::new());
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed > seeds {
            break;
        }
        let figure = figure(run(config, seed, |_| progress()));
        let mut figures = figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.push((seed, figure));
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(work);
        }
    });
    let mut figures = figures.into_inner().unwrap_or_else(PoisonError::into_inner);
    figures.sort_unstable_by_key(|&(seed, _)| seed);
    figures.into_iter().map(|(_, figure)| figure).collect()
}
