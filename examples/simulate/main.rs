//! Clients and the quota that they share, in virtual time.
//!
//! Servers with limits and clients with work, the clients through the layers that the suite's users get.
//! An hour takes a fraction of a second.
//!
//! ```sh
//! cargo run --release --example simulate
//! cargo run --release --example simulate -- --help
//! ```

mod args;
mod progress;
mod table;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use tower_throttle_core::BoxError;
use tower_throttle_sim::{Config, Figures, Summary, each_seed};

use crate::{args::Plan, progress::Progress};

fn main() -> ExitCode {
    match simulate(&Plan::from_command_line()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn simulate(plan: &Plan) -> Result<(), BoxError> {
    let summary = sum_up(&plan.config, plan.seeds);
    let text = if plan.json {
        serde_json::to_string_pretty(&summary)?
    } else {
        table::of(plan, &summary)
    };
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}

/// Runs all seeds, and shows how far it is.
fn sum_up(config: &Config, seeds: u64) -> Summary {
    let progress = Progress::start(&config.strategy.to_string(), seeds, config.windows);
    let figures = each_seed(
        config,
        seeds,
        |run| Figures::of(config, &run),
        || progress.advance(),
    );
    progress.finish();
    Summary::of(&figures)
}
