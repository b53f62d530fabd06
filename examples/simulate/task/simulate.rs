use tower_throttle_core::BoxError;

use super::{draw::draw, sum_up};
use crate::{plan::Plan, table};

/// Simulates what the arguments say.
pub(super) fn run(plan: &Plan) -> Result<String, BoxError> {
    let summary = sum_up(&plan.config, plan.seeds);
    if let Some(path) = &plan.plot {
        draw(&plan.config, path)?;
    }
    if plan.json {
        return Ok(serde_json::to_string_pretty(&summary)?);
    }
    Ok(table::summary::of(plan, &summary))
}
