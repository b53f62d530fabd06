use std::{fs, path::Path};

use tower_throttle_core::BoxError;
use tower_throttle_sim::{Config, plot::RatePlot};

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

/// Draws the run of the first seed.
fn plot(config: &Config, path: &Path) -> Result<(), BoxError> {
    let run = tower_throttle_sim::run(config, 1, |_| ());
    let svg = RatePlot::new(&run.series, config.window)
        .title(format!(
            "{}: {} clients, {} ({}), {}",
            config.strategy,
            config.clients,
            config.rate(),
            config.server,
            config.load,
        ))
        .warm_up(config.measured_from())
        .svg()?;
    fs::write(path, svg).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(())
}
