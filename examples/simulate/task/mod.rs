//! What the example can be asked to do.

mod compare;
mod contest;
mod draw;
mod judge;
mod simulate;
mod sweep;

use tower_throttle_core::BoxError;

use crate::{
    plan::{Plan, Table, Task},
    progress::Progress,
    table,
};

pub(crate) use self::{compare::Comparison, contest::Contested, judge::Judged};

/// Does it, and returns what to print.
pub(crate) fn run(plan: &Plan) -> Result<String, BoxError> {
    match &plan.task {
        Task::Simulate => simulate::run(plan),
        Task::Compare(scenario) => compare::run(*scenario, plan),
        Task::Sweep => Ok(sweep::run(plan)),
        Task::Table(table) => tabulate(*table, plan),
    }
}

/// Both a table and a figure, so that what a README shows is made at once.
fn tabulate(kind: Table, plan: &Plan) -> Result<String, BoxError> {
    let text = match kind {
        Table::Rate => table::markdown::rate(&judge::all(plan)),
        Table::Concurrency => table::markdown::concurrency(&contest::all(plan)),
    };
    if let Some(path) = &plan.plot {
        draw::draw_case(kind, plan.config.strategy, path)?;
    }
    Ok(text)
}

/// What comes of a strategy, over all seeds.
fn sum_up(config: &tower_throttle_sim::Config, seeds: u64) -> tower_throttle_sim::Summary {
    let progress = Progress::start(&config.strategy.to_string(), seeds, config.windows);
    let figures = tower_throttle_sim::each_seed(
        config,
        seeds,
        |run| tower_throttle_sim::Figures::of(config, &run),
        || progress.advance(),
    );
    progress.finish();
    tower_throttle_sim::Summary::of(&figures)
}
