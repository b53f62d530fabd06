//! The bucket of khive, which says how long to wait, and a change to its settings while it is used.

use serde::Deserialize;
use serde_json::Value;

use super::{
    bucket::{Outcome, Timed, waits},
    part,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucket {
    rate: f64,
    period: f64,
    /// As much as flows in per period, if it isn't said.
    max_tokens: Option<f64>,
    initial_tokens: Option<f64>,
    /// The level at the start: `initial_tokens` if it isn't said, else full.
    tokens: Option<f64>,
    now: f64,
    cost: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    wait: f64,
    tokens: f64,
}

pub(crate) fn bucket(case: &Value) -> Result<(), String> {
    let (given, expect): (Bucket, Asked) = (part(case, "given")?, part(case, "expect")?);
    let burst = given.max_tokens.unwrap_or(given.rate);
    let level = given.tokens.or(given.initial_tokens).unwrap_or(burst);
    let mut bucket = Timed::new(given.rate, given.period, burst, level)?;
    bucket.set_clock(given.now)?;
    let wait = bucket.wait(given.cost)?.ok_or("it would wait for ever")?;
    waits("wait", wait, expect.wait)?;
    let outcome = bucket.acquire(given.cost, Some(0.0))?;
    if (outcome == Outcome::Acquired) != wait.is_zero() {
        return Err(format!("{outcome:?} after a wait of {wait:?}"));
    }
    bucket.holds("tokens", expect.tokens)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    before: Settings,
    update: Update,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    rate: f64,
    period: f64,
    max_tokens: f64,
    tokens: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    rate: Option<f64>,
    period: Option<f64>,
    max_tokens: Option<f64>,
    #[serde(default)]
    reset_tokens: bool,
}

pub(crate) fn endpoint(case: &Value) -> Result<(), String> {
    let (given, expect): (Endpoint, Settings) = (part(case, "given")?, part(case, "expect")?);
    let Endpoint { before, update } = given;
    let mut bucket = Timed::new(before.rate, before.period, before.max_tokens, before.tokens)?;
    if update.rate.is_some() || update.period.is_some() {
        let rate = update.rate.unwrap_or(before.rate);
        bucket.set_rate(rate, update.period.unwrap_or(before.period))?;
    }
    if let Some(burst) = update.max_tokens {
        bucket.set_burst(burst)?;
    }
    if update.reset_tokens {
        bucket.refill();
    }
    bucket.has(expect.rate, expect.period, expect.max_tokens)?;
    bucket.holds("tokens", expect.tokens)
}
