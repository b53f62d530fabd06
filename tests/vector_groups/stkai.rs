//! The token bucket of stkai: as many tokens as requests per period, full at the start.

use serde::Deserialize;
use serde_json::Value;

use super::{
    bucket::{Outcome, Timed, duration},
    part, same, verdict,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    limiter: String,
    max_requests: f64,
    time_window: f64,
    max_wait_time: Option<f64>,
    ops: Vec<Op>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Op {
    /// `"acquire"`.
    Call(String),
    /// `["at", seconds]`: sets the clock.
    Clock(String, f64),
}

/// What came of an `acquire`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    op: String,
    requested_at: f64,
    result: String,
    at: f64,
    waited: Option<f64>,
    max_wait: Option<f64>,
    tokens_after: f64,
    /// How the original slept: ours need not.
    #[serde(rename = "sleeps")]
    _sleeps: Vec<f64>,
}

pub(crate) fn token_bucket(case: &Value) -> Result<(), String> {
    let (given, expect): (Given, Vec<Call>) = (part(case, "given")?, part(case, "expect")?);
    if given.limiter != "token_bucket" {
        return Err(format!("an unknown limiter: {}", given.limiter));
    }
    let requests = given.max_requests;
    let mut bucket = Timed::new(requests, given.time_window, requests, requests)?;
    let mut calls = expect.iter();
    for op in &given.ops {
        match op {
            Op::Clock(at, seconds) if at == "at" => bucket.set_clock(*seconds)?,
            Op::Call(op) => {
                let call = calls.next().ok_or("fewer results than calls")?;
                acquire(&mut bucket, op, call, given.max_wait_time)?;
            }
            Op::Clock(op, _) => return Err(format!("an unknown operation: {op}")),
        }
    }
    match calls.next() {
        Some(_) => Err("more results than calls".into()),
        None => Ok(()),
    }
}

fn acquire(bucket: &mut Timed, op: &str, call: &Call, max_wait: Option<f64>) -> Result<(), String> {
    if (op, call.op.as_str()) != ("acquire", "acquire") {
        return Err(format!("an unknown operation: {op}"));
    }
    bucket.is_at("requested_at", call.requested_at)?;
    let asked = bucket.clock;
    match (bucket.acquire(1.0, max_wait)?, call.result.as_str()) {
        (Outcome::Acquired, "acquired") => {}
        (Outcome::Refused, "timeout") => {
            let waited = (bucket.clock - asked).as_secs_f64();
            same("waited", waited, call.waited.ok_or("no `waited`")?, 0.0)?;
            if call.max_wait != max_wait {
                return Err(format!(
                    "max_wait is {max_wait:?} instead of {:?}",
                    call.max_wait
                ));
            }
        }
        (outcome, result) => return Err(format!("{outcome:?} instead of {result}")),
    }
    bucket.is_at("at", call.at)?;
    bucket.holds("tokens_after", call.tokens_after)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    max_requests: f64,
    time_window: f64,
    max_wait_time: Option<f64>,
}

pub(crate) fn validate(case: &Value) -> Result<(), String> {
    let given: Settings = part(case, "given")?;
    let requests = given.max_requests;
    let ours = Timed::new(requests, given.time_window, requests, requests);
    let max_wait = given.max_wait_time.map(duration).transpose();
    verdict(case, ours.and(max_wait))
}
