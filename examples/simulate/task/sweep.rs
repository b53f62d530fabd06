use tower_throttle_sim::sweep::{best, limits, sweep};

use crate::{plan::Plan, progress::Progress, table};

/// Tries every fixed limit.
pub(super) fn run(plan: &Plan) -> String {
    let config = &plan.config;
    let runs = plan.seeds * u64::try_from(limits(config).len()).unwrap_or(u64::MAX);
    let progress = Progress::start("sweep", runs, config.windows);
    let swept = sweep(config, plan.seeds, || progress.advance());
    progress.finish();
    let best = best(&swept).map(|best| best.limit);
    format!("{}\n{}", plan.describe(), table::sweep::of(&swept, best))
}
