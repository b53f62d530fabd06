use std::{ffi::OsString, path::PathBuf};

use clap::{CommandFactory, Parser, ValueEnum, error::ErrorKind};
use tower_throttle_sim::{Config, Scenario, Strategy};

use crate::args::Args;

/// What to simulate: the arguments, checked against each other.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) task: Task,
    pub(crate) seeds: u64,
    pub(crate) json: bool,
    /// The number of clients and the strategy, if they were given.
    pub(crate) clients: Option<u32>,
    pub(crate) strategy: Option<Strategy>,
    pub(crate) plot: Option<PathBuf>,
    pub(crate) write: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Task {
    /// Simulate what the arguments say.
    Simulate,
    /// Lay the figures of a world of somebody else's beside theirs.
    Compare(Scenario),
    /// Try every limit on the concurrency that doesn't move.
    Sweep,
    /// Show what must hold, and whether it does.
    Table(Table),
}

/// What must hold, of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Table {
    /// Of a strategy that looks for a rate
    Rate,
    /// Of a strategy that looks for a concurrency
    Concurrency,
}

impl Plan {
    /// Reads the command line; on a bad one, says why and exits with code 2.
    pub(crate) fn from_command_line() -> Self {
        Self::parse(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    pub(crate) fn parse<A: Into<OsString> + Clone>(
        args: impl IntoIterator<Item = A>,
    ) -> Result<Self, clap::Error> {
        let args = Args::try_parse_from(args)?;
        args.check()
            .map_err(|message| Args::command().error(ErrorKind::ValueValidation, message))?;
        Ok(Self {
            config: args.config(),
            task: args.task(),
            seeds: args.seeds,
            json: args.json,
            clients: args.clients,
            strategy: args.strategy,
            plot: args.plot,
            write: args.write,
        })
    }

    /// What is simulated, in one line.
    pub(crate) fn describe(&self) -> String {
        let config = &self.config;
        format!(
            "{} server, {}, hint {}; {} clients with {} workers, {}; {} windows, {} of them warm-up",
            config.server,
            config.rate(),
            config.hint,
            config.clients,
            config.workers(),
            config.load,
            config.windows,
            config.warmup,
        )
    }
}
