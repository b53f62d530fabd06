//! Several independent clients share one quota, without the suite and with it.
//!
//! A real HTTP/1.1 server on loopback answers 429 once the quota of a fixed window is spent. The
//! same load runs against it twice: `bare`, where a 429 is a lost request, and with the layers of
//! the suite between the caller and the HTTP client.
//!
//! ```sh
//! cargo run --release --example shared_quota
//! cargo run --release --example shared_quota -- --help
//! ```

mod args;
mod client;
mod progress;
mod report;
mod run;
mod server;
mod strategy;
mod tally;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use tower::BoxError;

use crate::{
    args::Plan,
    report::{Figures, Report},
    run::Outcome,
};

/// What a shell reports for a program ended by Ctrl-C: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    match compare(&Plan::from_command_line()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the load bare, then with the suite, and prints what came of it.
async fn compare(plan: &Plan) -> Result<ExitCode, BoxError> {
    for note in plan.notes() {
        eprintln!("note: {note}");
    }
    let bare = run::run(plan, None).await?;
    let suite = if bare.interrupted {
        None
    } else {
        Some(run::run(plan, Some(plan.strategy)).await?)
    };
    print(plan, &bare, suite.as_ref())
}

fn print(plan: &Plan, bare: &Outcome, suite: Option<&Outcome>) -> Result<ExitCode, BoxError> {
    let interrupted = suite.is_none_or(|outcome| outcome.interrupted);
    let report = Report {
        bare: Figures::of(plan, bare),
        suite: suite.map(|outcome| Figures::of(plan, outcome)),
    };
    if !plan.json {
        writeln!(io::stdout(), "{}", report.table(plan))?;
    } else if !interrupted {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    }
    Ok(ExitCode::from(if interrupted { INTERRUPTED } else { 0 }))
}
