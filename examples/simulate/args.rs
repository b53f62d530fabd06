use std::{ffi::OsString, time::Duration};

use clap::{CommandFactory, Parser, error::ErrorKind, value_parser};
use tower_throttle_sim::{
    Config, Strategy,
    client::Load,
    run::{Change, What},
    server::Kind,
    wire::{Hint, Latency},
};

/// What to simulate: the arguments, checked against each other.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) seeds: u64,
    pub(crate) json: bool,
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
            seeds: args.seeds,
            json: args.json,
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

    /// Clients
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u32).range(1..=1000))]
    clients: u32,

    /// Workers of each client [default: 8, or as many as it takes to saturate the server]
    #[arg(long, value_name = "K", value_parser = value_parser!(u32).range(1..=1000))]
    workers: Option<u32>,

    /// What the clients do about the limit: see below
    #[arg(long, value_name = "NAME", default_value = "token-bucket")]
    strategy: Strategy,

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

    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
}

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
        if leaving > self.clients {
            return Err(format!(
                "--leave takes {leaving} clients away, and --clients is {}",
                self.clients
            ));
        }
        Ok(())
    }

    fn config(&self) -> Config {
        Config {
            server: self.server,
            quota: self.quota,
            window: self.window,
            hint: self.hint,
            latency: self.latency,
            clients: self.clients,
            workers: self.workers,
            load: self.load,
            rogue: self.rogue,
            max_wait: self.max_wait,
            windows: self.windows,
            warmup: self.warmup,
            changes: self.changes(),
            ..Config::new(self.strategy)
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

/// `unit`: how many seconds the number before the colon counts.
fn steps<T: Copy>(
    steps: &[(f64, T)],
    unit: f64,
    what: fn(T) -> What,
) -> impl Iterator<Item = Change> {
    steps.iter().map(move |&(at, value)| Change {
        at: Duration::from_secs_f64(at * unit),
        what: what(value),
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = number(text, 0.1, 86_400.0)?;
    Ok(Duration::from_secs_f64(number))
}

fn fraction(text: &str) -> Result<f64, String> {
    number(text, 0.001, 1000.0)
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("must be a number from {least} to {most}"))
}

/// Two numbers with a colon between them; neither is negative.
fn pair<A: Number, B: Number>(text: &str) -> Result<(A, B), String> {
    let pair = text
        .split_once(':')
        .and_then(|(first, second)| Some((A::read(first)?, B::read(second)?)));
    pair.ok_or_else(|| "must be two numbers with a colon between them".to_owned())
}

trait Number: Sized {
    fn read(text: &str) -> Option<Self>;
}

impl Number for u32 {
    fn read(text: &str) -> Option<Self> {
        text.parse()
            .ok()
            .filter(|number| (1..=1_000_000).contains(number))
    }
}

impl Number for f64 {
    fn read(text: &str) -> Option<Self> {
        number(text, 0.0, 1e6).ok()
    }
}
