use serde::Serialize;
use tower_throttle_core::BoxError;
use tower_throttle_sim::{
    Scenario, Strategy, each_seed,
    scenario::{Outcome, Reference},
};

use crate::{plan::Plan, progress::Progress, table};

/// One strategy at one number of processes, beside what is known.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) processes: u32,
    pub(crate) strategy: String,
    /// What is known, if anything.
    #[serde(flatten)]
    pub(crate) reference: Option<Reference>,
    /// What we measure, if we have the strategy.
    pub(crate) here: Option<Outcome>,
}

/// Simulates each strategy of the reference, and ours, at each number of processes.
pub(super) fn run(scenario: Scenario, plan: &Plan) -> Result<String, BoxError> {
    let ours = plan.strategy.map_or_else(Strategy::ours, |ours| vec![ours]);
    let each = plan
        .clients
        .map_or_else(|| scenario.processes(), |processes| vec![processes]);
    let mut names: Vec<_> = scenario
        .strategies()
        .into_iter()
        .map(str::to_owned)
        .collect();
    names.extend(ours.iter().map(Strategy::to_string));
    let pairs = each.iter().flat_map(|&processes| {
        let names = names.iter().cloned();
        names.map(move |strategy| (processes, strategy))
    });
    let comparisons: Vec<_> = pairs
        .map(|(processes, strategy)| compare(scenario, processes, strategy, plan.seeds))
        .collect();
    if plan.json {
        return Ok(serde_json::to_string_pretty(&comparisons)?);
    }
    Ok(table::beside::of(&comparisons))
}

fn compare(scenario: Scenario, processes: u32, strategy: String, seeds: u64) -> Comparison {
    Comparison {
        processes,
        reference: scenario.reference(processes, &strategy),
        here: measure(scenario, processes, &strategy, seeds),
        strategy,
    }
}

fn measure(scenario: Scenario, processes: u32, strategy: &str, seeds: u64) -> Option<Outcome> {
    let config = scenario.config(processes, strategy.parse().ok()?);
    let progress = Progress::start(strategy, seeds, config.windows);
    let outcome = |run| Outcome::of(&config, &run);
    let outcomes = each_seed(&config, seeds, outcome, || progress.advance());
    progress.finish();
    Some(Outcome::mean(&outcomes))
}
