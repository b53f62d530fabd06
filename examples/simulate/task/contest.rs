use tower_throttle_sim::{
    Config, Figures, Strategy,
    cases::concurrency,
    sweep::{Swept, best, limits, sweep},
};

use super::sum_up;
use crate::{plan::Plan, progress::Progress};

/// A contest, and what came of it.
#[derive(Debug)]
pub(crate) struct Contested {
    pub(crate) name: String,
    /// The best limit that never moves.
    pub(crate) best: Swept,
    pub(crate) ours: Figures,
    /// What others do, and what comes of it.
    pub(crate) rivals: Vec<(&'static str, Figures)>,
}

const RIVALS: [&str; 8] = [
    "gradient2",
    "gradient2:per-call",
    "gradient2:from-1",
    "vegas",
    "aimd-concurrency",
    "aimd-concurrency:from-1",
    "tower-resilience:aimd",
    "tower-resilience:vegas",
];

/// Runs every case in which a concurrency is looked for.
pub(super) fn all(plan: &Plan) -> Vec<Contested> {
    let contests = concurrency(plan.config.strategy).into_iter();
    contests
        .filter_map(|contest| hold(contest.name, &contest.config, plan.seeds))
        .collect()
}

fn hold(name: String, config: &Config, seeds: u64) -> Option<Contested> {
    let runs = seeds * u64::try_from(limits(config).len()).unwrap_or(u64::MAX);
    let progress = Progress::start(&name, runs, config.windows);
    let swept = sweep(config, seeds, || progress.advance());
    progress.finish();
    let rivals = RIVALS.iter().filter_map(|rival| {
        let strategy: Strategy = rival.parse().ok()?;
        let config = Config {
            strategy,
            ..config.clone()
        };
        Some((*rival, sum_up(&config, seeds).mean))
    });
    Some(Contested {
        name,
        best: best(&swept)?,
        ours: sum_up(config, seeds).mean,
        rivals: rivals.collect(),
    })
}
