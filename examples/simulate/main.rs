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
mod parse;
mod plan;
mod progress;
mod rewrite;
mod table;
mod task;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use tower_throttle_core::BoxError;

use crate::plan::Plan;

fn main() -> ExitCode {
    match run(&Plan::from_command_line()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(plan: &Plan) -> Result<(), BoxError> {
    let text = task::run(plan)?;
    match &plan.write {
        Some(path) => rewrite::rewrite(path, &text),
        None => Ok(writeln!(io::stdout(), "{}", text.trim_end())?),
    }
}
