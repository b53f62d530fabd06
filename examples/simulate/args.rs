use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{CommandFactory, Parser, ValueEnum, error::ErrorKind, value_parser};
use tower_throttle_sim::{
    Config, Scenario, Strategy,
    client::Load,
    run::{Change, What},
    server::Kind,
    wire::{Hint, Latency},
};

use crate::parse::{fraction, pair, seconds, steps};

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

    fn parse<A: Into<OsString> + Clone>(
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

/// Clients and the quota that they share, in virtual time
///
/// Several clients that know nothing of each other send what they have to a server with a limit, each
/// through its own layers of the suite. Time is virtual: an hour takes a fraction of a second, and the
/// same seed gives the same run. Progress goes to stderr, one table to stdout.
#[derive(Debug, Parser)]
#[command(
    name = "simulate",
    bin_name = "cargo run --release --example simulate --",
    after_long_help = AFTER_HELP,
)]
struct Args {
    /// The server: fixed, anchored (its first window begins with the first request), sliding,
    /// bucket:BURST, slots:N (refuses above N at a time, slow when crowded) or queue:N (N at a time, the
    /// rest in line)
    #[arg(long, default_value = "fixed")]
    server: Kind,

    /// Requests that the server lets in per window, all clients together
    #[arg(long, value_name = "Q", default_value_t = 100)]
    #[arg(value_parser = value_parser!(u32).range(1..=1_000_000))]
    quota: u32,

    /// Length of the server's window in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    window: Duration,

    /// What the server tells: none, retry-after, retry-after:SECONDS (always the same) or remaining
    #[arg(long, default_value = "none")]
    hint: Hint,

    /// How long an accepted request takes: constant:SECONDS, lognormal:SECONDS[:SIGMA] or mm1:SECONDS
    /// (slow when crowded) [default: lognormal:0.2:0.3]
    #[arg(long)]
    latency: Option<Latency>,

    /// Clients [default: 10]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1000))]
    clients: Option<u32>,

    /// Workers of each client [default: 8, or as many as it takes to saturate the server]
    #[arg(long, value_name = "K", value_parser = value_parser!(u32).range(1..=1000))]
    workers: Option<u32>,

    /// What the clients do about the limit: see below [default: token-bucket]
    #[arg(long, value_name = "NAME")]
    strategy: Option<Strategy>,

    /// What the clients have to send: saturated, poisson:FRACTION (of the quota), bursty:FRACTION,
    /// on-off:WINDOWS, batch:QUOTAS or think:SECONDS
    #[arg(long, default_value = "saturated")]
    load: Load,

    /// Adds a client that sends this share of the quota and never backs off
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    rogue: Option<f64>,

    /// The longest a request may wait in line, in seconds [default: for ever]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    max_wait: Option<Duration>,

    /// Windows to run
    #[arg(long, value_name = "N", default_value_t = 60)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    windows: u32,

    /// How many of them don't count
    #[arg(long, value_name = "N", default_value_t = 20)]
    warmup: u32,

    /// Runs, each with a seed of its own: 1, 2, 3, ...
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u64).range(1..=1000))]
    seeds: u64,

    /// From this window on the quota is another one; may be given several times
    #[arg(long, value_name = "WINDOW:QUOTA", value_parser = pair::<f64, u32>)]
    quota_step: Vec<(f64, u32)>,

    /// From this window on there are so many clients more
    #[arg(long, value_name = "WINDOW:COUNT", value_parser = pair::<f64, u32>)]
    join: Vec<(f64, u32)>,

    /// From this window on there are so many clients fewer
    #[arg(long, value_name = "WINDOW:COUNT", value_parser = pair::<f64, u32>)]
    leave: Vec<(f64, u32)>,

    /// From this second on the server has so many slots
    #[arg(long, value_name = "SECONDS:N", value_parser = pair::<f64, u32>)]
    capacity_step: Vec<(f64, u32)>,

    /// From this second on a request takes so many times longer
    #[arg(long, value_name = "SECONDS:FACTOR", value_parser = pair::<f64, f64>)]
    latency_step: Vec<(f64, f64)>,

    /// Simulates a world of the stkai SDK's simulation, rqc or agent, and prints the figures beside those
    /// that are known; --clients and --strategy pick some of them
    #[arg(long, value_name = "NAME", conflicts_with_all = WORLD)]
    scenario: Option<Scenario>,

    /// Tries every limit on the concurrency that doesn't move, and says which is the best
    #[arg(long, conflicts_with_all = ["scenario", "strategy"])]
    sweep: bool,

    /// Runs everything that must hold of --strategy, and prints a table in Markdown
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "rate")]
    #[arg(conflicts_with_all = WORLD, conflicts_with_all = ["scenario", "sweep", "clients", "json"])]
    table: Option<Table>,

    /// Puts what would be printed between <!-- simulate:begin --> and <!-- simulate:end --> in a file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,

    /// Draws the run of the first seed: who got how much of the quota, and the 429s
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenario", "sweep", "table"])]
    plot: Option<PathBuf>,

    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
}

/// What a scenario settles.
const WORLD: [&str; 10] = [
    "server", "quota", "window", "hint", "latency", "workers", "load", "rogue", "windows", "warmup",
];

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 bad arguments.";

impl Args {
    /// Checks what takes several values to judge.
    fn check(&self) -> Result<(), String> {
        if self.warmup >= self.windows {
            return Err(format!(
                "--warmup {} leaves nothing of --windows {}",
                self.warmup, self.windows
            ));
        }
        let leaving: u32 = self.leave.iter().map(|&(_, clients)| clients).sum();
        if leaving > self.clients() {
            return Err(format!(
                "--leave takes {leaving} clients away, and --clients is {}",
                self.clients()
            ));
        }
        Ok(())
    }

    fn task(&self) -> Task {
        match (self.scenario, self.table) {
            (Some(scenario), _) => Task::Compare(scenario),
            (None, Some(table)) => Task::Table(table),
            (None, None) if self.sweep => Task::Sweep,
            (None, None) => Task::Simulate,
        }
    }

    fn clients(&self) -> u32 {
        self.clients.unwrap_or(10)
    }

    fn strategy(&self) -> Strategy {
        self.strategy.unwrap_or_default()
    }

    fn config(&self) -> Config {
        Config {
            server: self.server,
            quota: self.quota,
            window: self.window,
            hint: self.hint,
            latency: self.latency,
            clients: self.clients(),
            workers: self.workers,
            load: self.load,
            rogue: self.rogue,
            max_wait: self.max_wait,
            windows: self.windows,
            warmup: self.warmup,
            changes: self.changes(),
            ..Config::new(self.strategy())
        }
    }

    fn changes(&self) -> Vec<Change> {
        let window = self.window.as_secs_f64();
        let quota = steps(&self.quota_step, window, What::Size);
        let join = steps(&self.join, window, What::Join);
        let leave = steps(&self.leave, window, What::Leave);
        let capacity = steps(&self.capacity_step, 1.0, What::Size);
        let latency = steps(&self.latency_step, 1.0, What::Latency);
        quota
            .chain(join)
            .chain(leave)
            .chain(capacity)
            .chain(latency)
            .collect()
    }
}
