//! Explains what a response says about throttling, and what a client should make of it.
//!
//! ```sh
//! cargo run --example explain_headers -- -H 'Retry-After: 120' -H 'X-RateLimit-Remaining: 0'
//! curl -si https://api.github.com/zen | cargo run --example explain_headers -- --profile github
//! ```

mod explanation;
mod response;

use std::{
    error::Error,
    io::{self, IsTerminal, Read},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use clap::Parser;
use http::StatusCode;
use tower_throttle_retry_after::{Profile, Signals};

use self::{explanation::Explanation, response::Response};

/// Explains what a response says about throttling.
///
/// Takes headers (-H), or a response as `curl -i` prints it on the standard input.
#[derive(Debug, Parser)]
struct Args {
    /// A header, as `Name: value`; repeat it for more.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,

    /// The status of the response. Default: that of the response on the standard input, else 429.
    #[arg(long)]
    status: Option<StatusCode>,

    /// Whose response it is: generic, github, openai, …
    #[arg(long, default_value = "generic", value_parser = profile)]
    profile: Profile,

    /// When it arrived, as 2023-09-29T16:26:37Z. Default: now.
    #[arg(long)]
    now: Option<jiff::Timestamp>,

    /// The longest wait to honour, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = Signals::CAP.as_secs())]
    cap: u64,

    /// Ignore malformed RateLimit fields instead of picking out what can be picked out.
    #[arg(long)]
    strict: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// More than this of the standard input is an error: 1 MiB.
const MAX_INPUT: u64 = 1024 * 1024;

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(args: Args) -> Result<String, Box<dyn Error>> {
    let response = match args.headers.as_slice() {
        [] => Response::parse(&input()?)?,
        headers => Response::from_headers(headers)?,
    };
    let status = args.status.unwrap_or(response.status);
    let now = args.now.map_or_else(SystemTime::now, SystemTime::from);
    let profile = match args.strict {
        true => args.profile.strict(),
        false => args.profile,
    };
    let signals = Signals::read(&response.headers, status, &profile, now);
    let signals = signals.with_body(&response.body, &profile);
    let explanation = Explanation {
        signals,
        status,
        profile,
        cap: Duration::from_secs(args.cap),
    };
    match args.json {
        true => Ok(serde_json::to_string_pretty(&explanation.to_json())?),
        false => Ok(explanation.to_string()),
    }
}

fn profile(name: &str) -> Result<Profile, String> {
    Profile::named(name).ok_or_else(|| {
        let names: Vec<_> = Profile::names().collect();
        format!("there are {}", names.join(", "))
    })
}

fn input() -> Result<Vec<u8>, Box<dyn Error>> {
    if io::stdin().is_terminal() {
        return Err("give headers with -H, or pipe in a response from `curl -i`".into());
    }
    let mut input = Vec::new();
    io::stdin().take(MAX_INPUT + 1).read_to_end(&mut input)?;
    if input.len() > usize::try_from(MAX_INPUT)? {
        return Err("the standard input is longer than 1 MiB".into());
    }
    Ok(input)
}
