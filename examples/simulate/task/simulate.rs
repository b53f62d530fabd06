use std::{fs, path::Path};

use tower_throttle_core::BoxError;
use tower_throttle_sim::{
    Config,
    plot::{ConcurrencyPlot, RatePlot},
};

use super::sum_up;
use crate::{plan::Plan, table};

/// Simulates what the arguments say.
pub(super) fn run(plan: &Plan) -> Result<String, BoxError> {
    let summary = sum_up(&plan.config, plan.seeds);
    if let Some(path) = &plan.plot {
        plot(&plan.config, path)?;
    }
    if plan.json {
        return Ok(serde_json::to_string_pretty(&summary)?);
    }
    Ok(table::summary::of(plan, &summary))
}

/// Draws the run of the first seed: its limits in flight, if it has any, or else its rates.
fn plot(config: &Config, path: &Path) -> Result<(), BoxError> {
    let run = tower_throttle_sim::run(config, 1, |_| ());
    let title = format!(
        "{}: {} clients, {} ({}), {}",
        config.strategy,
        config.clients,
        config.rate(),
        config.server,
        config.load,
    );
    let warm_up = config.measured_from();
    let svg = match run.concurrency() {
        Some(series) => ConcurrencyPlot::new(&series)
            .title(title)
            .warm_up(warm_up)
            .svg()?,
        None => RatePlot::new(&run.series, config.window)
            .title(title)
            .warm_up(warm_up)
            .svg()?,
    };
    fs::write(path, svg).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(())
}
