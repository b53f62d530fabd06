use std::{path::PathBuf, time::Duration};

use clap::{Parser, value_parser};
use tower_throttle_sim::{
    Config, Scenario, Strategy,
    client::Load,
    run::{Change, What},
    server::Kind,
    wire::{Hint, Latency},
};

use crate::{
    parse::{fraction, pair, seconds, steps},
    plan::{Table, Task},
};

/// Clients and the quota that they share, in virtual time
///
/// Several clients that know nothing of each other send what they have to a server with a limit, each
/// through its own layers of the suite. Time is virtual: an hour takes a fraction of a second, and the
/// same seed gives the same run. Progress goes to stderr, one table to stdout.
#[derive(Debug, Parser)]
#[command(
    name = "simulate",
    bin_name = "cargo run --release --example simulate --",
    after_long_help = after_help(),
)]
pub(crate) struct Args {
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

    /// How long an accepted request takes: constant:SECONDS, lognormal:SECONDS[:SIGMA],
    /// exponential:SECONDS or mm1:SECONDS (slow when crowded) [default: lognormal:0.2:0.3]
    #[arg(long)]
    latency: Option<Latency>,

    /// Clients [default: 10]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1000))]
    pub(crate) clients: Option<u32>,

    /// Workers of each client [default: 8, or as many as it takes to saturate the server]
    #[arg(long, value_name = "K", value_parser = value_parser!(u32).range(1..=1000))]
    workers: Option<u32>,

    /// What the clients do about the limit: see below [default: adaptive]
    #[arg(long, value_name = "NAME")]
    pub(crate) strategy: Option<Strategy>,

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
    #[arg(value_parser = value_parser!(u32).range(1..=2000))]
    windows: u32,

    /// How many of them don't count [default: a third, at most 20; of a batch, none]
    #[arg(long, value_name = "N")]
    warmup: Option<u32>,

    /// Runs, each with a seed of its own: 1, 2, 3, ...
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: u64,

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
    #[arg(long, conflicts_with_all = ["scenario", "strategy", "json"])]
    sweep: bool,

    /// Runs everything that must hold of --strategy, and prints a table in Markdown
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "rate")]
    #[arg(conflicts_with_all = WORLD, conflicts_with_all = ["scenario", "sweep", "clients", "json"])]
    table: Option<Table>,

    /// Puts what would be printed between <!-- simulate:begin --> and <!-- simulate:end --> in a file
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    /// Draws the run of the first seed as SVG: who got how much of the quota, and the 429s; or the limits
    /// in flight, and the latency. With --table: of its first case in which something changes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenario", "sweep"])]
    pub(crate) plot: Option<PathBuf>,

    /// Print the figures as JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a scenario settles.
const WORLD: [&str; 10] = [
    "server", "quota", "window", "hint", "latency", "workers", "load", "rogue", "windows", "warmup",
];

/// What a flag is too short for.
fn after_help() -> String {
    let width = Strategy::all()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::from("Strategies, the recommended one first:\n");
    for (name, about) in Strategy::all() {
        text += &format!("  {name:width$}  {about}\n");
    }
    text + EXPLANATION
}

const EXPLANATION: &str = "
With --json there are objects \"mean\" and \"worst\"; shares are fractions, times are in seconds:
  utilisation            let in / (quota x windows); of slots, the goodput / its peak
  rejected_per_accepted  429s for each request that was let in
  jain                   fairness: 1 if all clients get the same, 1/N if one gets it all
  success                requests that succeeded, of those that ended
  p50_s, p95_s, p99_s    from the beginning of a request to its end, waiting included
  sent_p50_s, sent_p95_s the same from the send on: without waiting in line
  failed, timed_out      that ended in an error or a 429; that waited for too long
  lost                   that never ended; there must be none
  converged_windows      until 90 % of the quota were used with at most 5 429s per 100; null is never
  reclaimed_windows, yielded_windows, rejected_after_change
                         after the first change: until 95 % are used again, until there are at most
                         5 429s per 100 again; 429s per request let in, in the next four windows

Examples:
  cargo run --release --example simulate -- --quota 1000 --window 10 --clients 50
  cargo run --release --example simulate -- --leave 30:3 --plot leave.svg
  cargo run --release --example simulate -- --strategy none --load poisson:0.9
  cargo run --release --example simulate -- --server slots:20 --window 10 --strategy congestion
  cargo run --release --example simulate -- --server slots:20 --window 10 --clients 4 --sweep
  cargo run --release --example simulate -- --scenario rqc --clients 10 --seeds 20
  cargo run --release --example simulate -- --table --write README.md --plot figure.svg

Exit codes: 0 done, 1 failed, 2 bad arguments.";

impl Args {
    /// Checks what takes several values to judge.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.warmup() >= self.windows {
            return Err(format!(
                "--warmup {} leaves nothing of --windows {}",
                self.warmup(),
                self.windows
            ));
        }
        if let Some(&(_, factor)) = self.latency_step.iter().find(|step| step.1 <= 0.0) {
            return Err(format!(
                "--latency-step: no request takes {factor} times as long"
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

    pub(crate) fn task(&self) -> Task {
        match (self.scenario, self.table) {
            (Some(scenario), _) => Task::Compare(scenario),
            (None, Some(table)) => Task::Table(table),
            (None, None) if self.sweep => Task::Sweep,
            (None, None) => Task::Simulate,
        }
    }

    fn warmup(&self) -> u32 {
        let default = match self.load {
            Load::Batch(_) => 0,
            _ => 20.min(self.windows / 3),
        };
        self.warmup.unwrap_or(default)
    }

    fn clients(&self) -> u32 {
        self.clients.unwrap_or(10)
    }

    fn strategy(&self) -> Strategy {
        self.strategy.unwrap_or_default()
    }

    pub(crate) fn config(&self) -> Config {
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
            warmup: self.warmup(),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::plan::Plan;

    fn plan(args: &str) -> Result<Plan, clap::Error> {
        Plan::parse(std::iter::once("simulate").chain(args.split_whitespace()))
    }

    #[test]
    fn the_definition_of_the_arguments_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let plan = plan("").unwrap();
        let config = Config::new(Strategy::default());

        assert_eq!(format!("{:?}", plan.config), format!("{config:?}"));
        assert_eq!((plan.task, plan.seeds), (Task::Simulate, 10));
        let about = "fixed server, 100 per 60s, hint none; 10 clients with 8 workers, saturated; \
                     60 windows, 20 of them warm-up";
        assert_eq!(plan.describe(), about);
        assert_eq!(config.strategy.to_string(), "adaptive");
    }

    #[test]
    fn a_large_quota_has_more_workers() {
        for (args, workers) in [
            ("--quota 1000 --window 10", 32),
            ("--quota 1000 --window 10 --clients 50", 32),
            ("--server slots:20 --clients 1", 80),
            ("--server slots:20 --clients 10", 8),
            ("--quota 1000 --window 10 --workers 3", 3),
        ] {
            assert_eq!(plan(args).unwrap().config.workers(), workers, "{args}");
        }
    }

    #[test]
    fn a_step_happens_at_its_time() {
        let plan = plan("--quota-step 30:50 --leave 1.5:2 --capacity-step 300:10").unwrap();
        let at = |seconds| Duration::from_secs(seconds);
        let expected = [
            Change {
                at: at(1800),
                what: What::Size(50),
            },
            Change {
                at: at(90),
                what: What::Leave(2),
            },
            Change {
                at: at(300),
                what: What::Size(10),
            },
        ];
        assert_eq!(plan.config.changes, expected);
    }

    #[test]
    fn a_task_is_what_is_asked_for() {
        for (args, task) in [
            ("--scenario rqc --clients 10", Task::Compare(Scenario::Rqc)),
            ("--server slots:20 --sweep", Task::Sweep),
            ("--table --seeds 2", Task::Table(Table::Rate)),
            (
                "--table concurrency --strategy congestion",
                Task::Table(Table::Concurrency),
            ),
        ] {
            assert_eq!(plan(args).unwrap().task, task, "{args}");
        }
    }

    #[test]
    fn a_bad_value_gives_one_error_that_names_it_and_exit_code_2() {
        for (args, reason) in [
            ("--server leaky", "--server"),
            ("--server bucket:0", "at least 1"),
            ("--quota 0", "--quota"),
            ("--window 0", "from 0.1 to 86400"),
            ("--clients 0", "--clients"),
            ("--strategy hope", "there are adaptive"),
            ("--strategy fixed:0", "fixed:LIMIT"),
            ("--load poisson:0", "above 0"),
            ("--load poisson:nan", "above 0"),
            ("--hint maybe", "retry-after"),
            ("--quota-step 30", "colon between them"),
            ("--quota-step 30:0", "colon between them"),
            ("--latency-step 30:0", "0 times as long"),
            ("--leave 30:11", "11 clients away"),
            ("--windows 20 --warmup 20", "leaves nothing"),
            ("--scenario rqc --quota 5", "cannot be used with"),
            ("--sweep --plot x.svg", "cannot be used with"),
        ] {
            let error = plan(args).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{args}");
            assert!(error.to_string().contains(reason), "{args}: {error}");
        }
    }
}
