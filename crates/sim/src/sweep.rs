//! The best limit that never moves: what a limit that moves is measured against.

use crate::{Figures, Strategy, Summary, each_seed, run::Config};

/// What comes of one limit.
#[derive(Debug, Clone, Copy)]
pub struct Swept {
    /// How many each client may have in flight.
    pub limit: u32,
    /// What came of it.
    pub mean: Figures,
}

/// Simulates `config` with each fixed limit that may be the best.
///
/// `progress` is called at the end of every window of every run.
pub fn sweep(config: &Config, seeds: u64, progress: impl Fn() + Sync) -> Vec<Swept> {
    let limits = limits(config).into_iter();
    limits
        .map(|limit| {
            let config = Config {
                strategy: Strategy::fixed(limit),
                ..config.clone()
            };
            let figures = each_seed(&config, seeds, |run| Figures::of(&config, &run), &progress);
            let mean = Summary::of(&figures).mean;
            Swept { limit, mean }
        })
        .collect()
}

/// The one with the least latency from the send on, of those whose goodput is within 1 % of the highest.
///
/// Without this, a server that queues would make any limit that is high enough the best one.
#[must_use]
pub fn best(swept: &[Swept]) -> Option<Swept> {
    let goodput = |swept: &&Swept| swept.mean.utilisation;
    let highest = swept
        .iter()
        .map(|swept| swept.mean.utilisation)
        .fold(0.0, f64::max);
    let good = swept
        .iter()
        .filter(|swept| goodput(swept) >= highest * 0.99);
    let latency = |swept: &Swept| swept.mean.sent_p95_s;
    good.copied()
        .min_by(|a, b| latency(a).total_cmp(&latency(b)))
}

/// Up to twice the slots, all clients together; in small steps first.
#[must_use]
pub fn limits(config: &Config) -> Vec<u32> {
    let slots = config.server.slots().unwrap_or(config.quota);
    let most = (2 * slots).div_ceil(config.clients.max(1)).max(2);
    let step = |&limit: &u32| limit + (limit / 10).max(1);
    std::iter::successors(Some(1), |limit| Some(step(limit)))
        .take_while(|&limit| limit <= most)
        .collect()
}
