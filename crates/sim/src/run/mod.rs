//! One run: a server, its clients, and what became of them, in virtual time.

mod capacity;
mod config;
mod many;
mod world;

use std::time::Duration;

use tokio::runtime::Builder;

use self::world::World;
pub use self::{
    config::{Change, Config, What},
    many::each_seed,
};
use crate::{
    Series, client::Request, plot::ConcurrencySeries, report::percentile, series, wire::Trip,
};

/// What became of everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What the server answered, when, and to whom.
    pub series: Series,
    /// Every request that ended, in the order of their ends; those that ended after the run included.
    pub requests: Vec<Request>,
    /// Every request that was let in, as the innermost layer saw it, in the order of their ends.
    pub trips: Vec<Trip>,
    /// How many each client let be in flight, at the end of each slice of the series; 0 if it was not
    /// there, or knows no limit.
    pub limits: Vec<Vec<f64>>,
    /// How many slots the server has, in each slice; nothing if it has none.
    pub capacity: Vec<f64>,
    /// Requests that never ended. There must be none.
    pub lost: u32,
}

impl Run {
    /// What there is to draw if the clients limit how many are in flight.
    #[must_use]
    pub fn concurrency(&self) -> Option<ConcurrencySeries> {
        let slices = self.series.slices();
        let is_limited = self.limits.iter().flatten().any(|&limit| limit > 0.0);
        is_limited.then(|| ConcurrencySeries {
            slice: self.series.slice,
            limits: self.limits.clone(),
            capacity: self.capacity.clone(),
            latency: medians(&self.trips, self.series.slice, slices),
        })
    }
}

/// The median latency of those that ended in each slice.
fn medians(trips: &[Trip], slice: Duration, slices: usize) -> Vec<Option<Duration>> {
    let mut ended = vec![Vec::new(); slices];
    for trip in trips {
        if let Some(ended) = ended.get_mut(series::index(trip.ended, slice)) {
            ended.push(trip.ended - trip.sent);
        }
    }
    let median = |mut took: Vec<Duration>| {
        took.sort_unstable();
        percentile(&took, 50)
    };
    ended.into_iter().map(median).collect()
}

/// Simulates one run. The same seed gives the same run.
///
/// `progress` is called at the end of every window, with its number.
///
/// # Panics
///
/// If the operating system denies a runtime, which needs next to nothing.
#[must_use]
pub fn run(config: &Config, seed: u64, progress: impl Fn(u32)) -> Run {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing from the system");
    runtime.block_on(async {
        let mut world = World::create(config, seed);
        world.live(&progress).await;
        world.drain(config.length() * PATIENCE).await;
        world.end()
    })
}

/// What is still waiting when the run is over has this many times its length to end.
const PATIENCE: u32 = 10;

/// How finely a window is cut for the series.
pub(crate) const SLICES: u32 = 20;

/// How long a slice of the series is.
pub(crate) fn slice(window: Duration) -> Duration {
    window / SLICES
}
