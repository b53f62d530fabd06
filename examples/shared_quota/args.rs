use std::{ffi::OsString, time::Duration};

use clap::{CommandFactory, Parser, error::ErrorKind, value_parser};

use crate::{client::PAUSE, strategy::Strategy};

/// Both ends of every connection are open files of this one process, and 1024 is a usual limit.
const MOST_CONNECTIONS: u32 = 400;

/// What to run: the arguments, checked against each other.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) clients: u32,
    pub(crate) workers: u32,
    pub(crate) quota: u32,
    pub(crate) window: Duration,
    /// The length of each run, in whole windows.
    pub(crate) windows: u32,
    pub(crate) strategy: Strategy,
    pub(crate) json: bool,
    duration: Duration,
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
        let windows = args.check().map_err(bad_value)?;
        Ok(Self {
            clients: args.clients,
            workers: args.workers,
            quota: args.quota,
            window: args.window,
            windows,
            strategy: args.strategy,
            json: args.json,
            duration: args.duration,
        })
    }

    /// How long each of the two runs takes.
    pub(crate) fn length(&self) -> Duration {
        self.window * self.windows
    }

    /// How many windows the first `elapsed` of a run touches.
    pub(crate) fn windows_in(&self, elapsed: Duration) -> u32 {
        let windows = elapsed.as_nanos().div_ceil(self.window.as_nanos());
        u32::try_from(windows).map_or(self.windows, |windows| windows.clamp(1, self.windows))
    }

    /// What the user should know before the figures make sense.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.length() != self.duration {
            notes.push(format!(
                "--duration {:?} is rounded up to {} whole windows: each run takes {:?}",
                self.duration,
                self.windows,
                self.length(),
            ));
        }
        if self.offered() < 1.5 * f64::from(self.quota) {
            notes.push(format!(
                "the workers ask for at most {:.0} requests in a window, which hardly puts a quota \
                 of {} to the test: raise --workers or --clients",
                self.offered(),
                self.quota,
            ));
        }
        notes
    }

    /// The most requests that the workers can ask for in one window.
    fn offered(&self) -> f64 {
        let workers = f64::from(self.clients * self.workers);
        workers * self.window.as_secs_f64() / PAUSE.as_secs_f64()
    }
}

/// Several independent clients share one quota: first bare, then with the suite
///
/// Starts an HTTP/1.1 server on loopback with one quota for each fixed window, which answers 429
/// with Retry-After once the quota is spent, and lets several clients loose on it over real sockets:
/// first bare, then through the layers of the suite. Progress goes to stderr, one table to stdout.
///
/// Each client has its own connection pool and its own layers; the clients do not talk to each
/// other. Each has some workers. A worker asks, waits for the answer, and has its next request 10 ms
/// later, whatever the answer was: a 429 is a lost request. Both runs begin with a window and last a
/// whole number of windows.
#[derive(Debug, Parser)]
#[command(
    name = "shared_quota",
    bin_name = "cargo run --release --example shared_quota --",
    after_long_help = AFTER_HELP,
    verbatim_doc_comment,
)]
struct Args {
    /// Independent clients, 1 to 100
    #[arg(
        long,
        value_name = "N",
        default_value_t = 4,
        allow_hyphen_values = true
    )]
    #[arg(value_parser = value_parser!(u32).range(1..=100))]
    clients: u32,

    /// Workers of each client, 1 to 100; at most 400 of all clients together
    #[arg(
        long,
        value_name = "N",
        default_value_t = 4,
        allow_hyphen_values = true
    )]
    #[arg(value_parser = value_parser!(u32).range(1..=100))]
    workers: u32,

    /// Requests that the server accepts in each window, from all clients together, 1 to 1000000; at
    /// least one for each client
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        allow_hyphen_values = true
    )]
    #[arg(value_parser = value_parser!(u32).range(1..=1_000_000))]
    quota: u32,

    /// Length of the server's window in seconds, 0.1 to 600, fractions allowed
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "1",
        allow_hyphen_values = true
    )]
    #[arg(value_parser = seconds)]
    window: Duration,

    /// Length of each of the two runs in seconds, 0.1 to 600, fractions allowed; at least one
    /// window, rounded up to whole windows
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "10",
        allow_hyphen_values = true
    )]
    #[arg(value_parser = seconds)]
    duration: Duration,

    /// What the clients of the second run do about the quota
    #[arg(long, value_enum, default_value_t = Strategy::Adaptive)]
    strategy: Strategy,

    /// Print the figures as JSON instead of the table
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
The table, and the keys of --json under \"bare\" and \"suite\":
  accepted    requests that were answered 200
  rejected    requests that were answered 429
  quota_used  what the server accepted / (quota x windows of the run)
  p50_ms      median latency of the accepted requests in milliseconds, as the
  p95_ms      caller sees it: waiting in line included; null if none was accepted
  failed      requests that got no answer, or that the suite itself refused

Example, three clients of a server that allows 50 requests in half a second:
  cargo run --release --example shared_quota -- --clients 3 --quota 50 --window 0.5 --duration 5

Exit codes: 0 done, 1 failed, 2 bad arguments, 130 interrupted (the table
says how far it got; no JSON).";

impl Args {
    /// Checks what takes several values to judge. Returns the number of windows.
    fn check(&self) -> Result<u32, String> {
        let Self {
            clients,
            workers,
            quota,
            window,
            duration,
            ..
        } = self;
        if clients * workers > MOST_CONNECTIONS {
            return Err(format!(
                "--clients {clients} with --workers {workers} each are {} connections; at most \
                 {MOST_CONNECTIONS} are possible",
                clients * workers
            ));
        }
        if quota < clients {
            return Err(format!(
                "--quota {quota} is too small for --clients {clients}: each client needs a share of \
                 at least 1"
            ));
        }
        if duration < window {
            return Err(format!(
                "--duration {duration:?} is shorter than --window {window:?}"
            ));
        }
        let windows = duration.as_nanos().div_ceil(window.as_nanos());
        u32::try_from(windows).map_err(|_| format!("{windows} windows are too many"))
    }
}

fn bad_value(message: String) -> clap::Error {
    Args::command().error(ErrorKind::ValueValidation, message)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    if !(0.1..=600.0).contains(&number) {
        return Err("must be from 0.1 to 600 seconds".to_owned());
    }
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(args: &str) -> Result<Plan, clap::Error> {
        Plan::parse(std::iter::once("shared_quota").chain(args.split_whitespace()))
    }

    #[test]
    fn the_defaults_are_sound() {
        let plan = plan("").unwrap();
        assert_eq!((plan.clients, plan.quota, plan.windows), (4, 100, 10));
        assert_eq!(plan.notes(), [""; 0]);
    }

    #[test]
    fn the_definition_of_the_arguments_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_bad_value_gives_one_error_that_names_it_and_exit_code_2() {
        for (args, reason) in [
            ("--clients 0", "0 is not in 1..=100"),
            ("--clients -1", "-1 is not in 1..=100"),
            ("--clients 99999999999999999999", "number too large"),
            ("--clients two", "invalid digit"),
            ("--workers 0", "0 is not in 1..=100"),
            ("--quota 0", "0 is not in 1..=1000000"),
            ("--quota 1.5", "invalid digit"),
            ("--quota 1000001", "1000001 is not in 1..=1000000"),
            ("--window 0", "must be from 0.1 to 600 seconds"),
            ("--window NaN", "must be from 0.1 to 600 seconds"),
            ("--window -1", "must be from 0.1 to 600 seconds"),
            ("--window 1s", "not a number of seconds"),
            ("--duration inf", "must be from 0.1 to 600 seconds"),
            ("--duration -inf", "must be from 0.1 to 600 seconds"),
            ("--duration 1e999", "must be from 0.1 to 600 seconds"),
            ("--strategy hope", "[possible values: adaptive"),
        ] {
            let error = plan(args).unwrap_err();
            let (flag, message) = (args.split_whitespace().next().unwrap(), error.to_string());
            assert_eq!(error.exit_code(), 2, "{args}");
            assert!(
                message.contains(flag) && message.contains(reason),
                "{args}: {message}"
            );
        }
    }

    #[test]
    fn values_that_do_not_fit_each_other_give_an_error_that_names_both() {
        for (args, one, other) in [
            ("--duration 1 --window 2", "--duration 1s", "--window 2s"),
            ("--clients 5 --quota 4", "--quota 4", "--clients 5"),
            ("--clients 64 --workers 64", "--clients 64", "--workers 64"),
        ] {
            let error = plan(args).unwrap_err();
            let message = error.to_string();
            assert_eq!(error.exit_code(), 2, "{args}");
            assert!(
                message.contains(one) && message.contains(other),
                "{args}: {message}"
            );
        }
    }

    #[test]
    fn a_duration_is_rounded_up_to_whole_windows_and_the_user_is_told() {
        let plan = plan("--duration 2.5 --window 1").unwrap();
        assert_eq!(plan.length(), Duration::from_secs(3));
        assert!(
            plan.notes()[0].contains("3 whole windows"),
            "{:?}",
            plan.notes()
        );
    }

    // In floating point 0.3 / 0.1 is less than 3 and 0.7 / 0.1 is less than 7.
    #[test]
    fn whole_windows_are_not_rounded_up() {
        for (args, windows) in [
            ("--duration 0.3", 3),
            ("--duration 0.7", 7),
            ("--duration 1", 10),
        ] {
            let plan = plan(&format!("{args} --window 0.1")).unwrap();
            assert_eq!(plan.windows, windows, "{args}");
        }
    }

    #[test]
    fn a_load_that_cannot_spend_the_quota_is_noted() {
        let plan = plan("--quota 100000").unwrap();
        assert!(
            plan.notes()[0].contains("1600 requests"),
            "{:?}",
            plan.notes()
        );
    }

    #[test]
    fn an_interrupted_run_touches_the_window_that_it_ended_in() {
        let plan = plan("").unwrap();
        for (millis, windows) in [
            (0, 1),
            (1, 1),
            (1000, 1),
            (1001, 2),
            (9990, 10),
            (60_000, 10),
        ] {
            assert_eq!(
                plan.windows_in(Duration::from_millis(millis)),
                windows,
                "{millis} ms"
            );
        }
    }
}
