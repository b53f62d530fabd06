//! The bucket of techrevati: fractions of tokens, full at the start, a timeout for each call.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    bucket::{Outcome, Timed, duration, rate, scaled},
    part, same, verdict,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acquire {
    capacity: f64,
    refill_per_second: f64,
    already_spent: f64,
    cost: f64,
    timeout: Option<f64>,
}

#[derive(Deserialize)]
#[serde(tag = "result", deny_unknown_fields)]
enum Acquired {
    #[serde(rename = "acquired")]
    Acquired { at: f64, left: f64 },
    RateLimitExceeded {
        at: f64,
        /// What the bucket is called, which the case doesn't say.
        #[serde(rename = "bucket")]
        _bucket: String,
        tokens: f64,
    },
}

/// A bucket from which so many tokens have been taken.
fn spent(capacity: f64, per_second: f64, spent: f64) -> Result<Timed, String> {
    let mut bucket = Timed::new(per_second, 1.0, capacity, capacity)?;
    match bucket.acquire(spent, Some(0.0))? {
        Outcome::Acquired => Ok(bucket),
        Outcome::Refused => Err("more was spent than there was".into()),
    }
}

pub(crate) fn acquire(case: &Value) -> Result<(), String> {
    let (given, expect): (Acquire, Acquired) = (part(case, "given")?, part(case, "expect")?);
    let mut bucket = spent(given.capacity, given.refill_per_second, given.already_spent)?;
    match (bucket.acquire(given.cost, given.timeout)?, expect) {
        (Outcome::Acquired, Acquired::Acquired { at, left }) => {
            bucket.is_at("at", at)?;
            bucket.holds("left", left)
        }
        (Outcome::Refused, Acquired::RateLimitExceeded { at, tokens, .. }) => {
            bucket.is_at("at", at)?;
            bucket.holds("left", given.capacity - given.already_spent)?;
            same("tokens", given.cost, tokens, 0.0)
        }
        (outcome, _) => Err(format!("{outcome:?}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Try {
    capacity: f64,
    refill_per_second: f64,
    already_spent: f64,
    cost: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    ok: bool,
    left: f64,
}

pub(crate) fn try_acquire(case: &Value) -> Result<(), String> {
    let (given, expect): (Try, Tried) = (part(case, "given")?, part(case, "expect")?);
    let mut bucket = spent(given.capacity, given.refill_per_second, given.already_spent)?;
    let outcome = bucket.acquire(given.cost, Some(0.0))?;
    if (outcome == Outcome::Acquired) != expect.ok {
        return Err(format!("{outcome:?}"));
    }
    bucket.holds("left", expect.left)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refill {
    capacity: f64,
    refill_per_second: f64,
    spent: f64,
    advance: f64,
}

pub(crate) fn refill(case: &Value) -> Result<(), String> {
    let (given, expect): (Refill, f64) = (part(case, "given")?, part(case, "expect")?);
    let mut bucket = spent(given.capacity, given.refill_per_second, given.spent)?;
    bucket.set_clock(given.advance)?;
    bucket.holds("level", expect)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    capacity: f64,
    refill_per_second: f64,
    start: f64,
    spent: f64,
    clock_then: Vec<f64>,
}

pub(crate) fn clock(case: &Value) -> Result<(), String> {
    let (given, expect): (Clock, Vec<(f64, f64)>) = (part(case, "given")?, part(case, "expect")?);
    let mut bucket = spent(given.capacity, given.refill_per_second, 0.0)?;
    bucket.set_clock(given.start)?;
    bucket.acquire(given.spent, Some(0.0))?;
    if given.clock_then.len() != expect.len() {
        return Err("not as many levels as times".into());
    }
    for (clock, (at, level)) in given.clock_then.into_iter().zip(expect) {
        bucket.set_clock(clock)?;
        bucket.is_at("clock", at)?;
        bucket.holds("level", level)?;
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Composite {
    /// By name: what it holds, and what flows in each second.
    buckets: BTreeMap<String, (f64, f64)>,
    #[serde(default)]
    pre_call: f64,
    input_tokens: f64,
    output_tokens: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum Composed {
    Ok(String),
    Left {
        result: String,
        at: f64,
        left: BTreeMap<String, f64>,
    },
}

/// A request before the call, and tokens after it, each from the bucket of that name if there is one.
pub(crate) fn composite(case: &Value) -> Result<(), String> {
    let (given, expect): (Composite, Composed) = (part(case, "given")?, part(case, "expect")?);
    let full = |(name, (capacity, rate))| Ok((name, Timed::new(rate, 1.0, capacity, capacity)?));
    let buckets = given.buckets.into_iter().map(full);
    let mut buckets = buckets.collect::<Result<BTreeMap<_, _>, String>>()?;
    let charges = [
        ("rpm", given.pre_call),
        ("input_tpm", given.input_tokens),
        ("output_tpm", given.output_tokens),
    ];
    let mut clock = 0.0;
    for (name, tokens) in charges {
        let Some(bucket) = buckets.get_mut(name) else {
            continue;
        };
        bucket.set_clock(clock)?;
        if bucket.acquire(tokens, None)? == Outcome::Refused {
            return Err(format!("{name} never has {tokens} tokens"));
        }
        clock = bucket.seconds();
    }
    let (result, left) = match expect {
        Composed::Ok(result) => (result, BTreeMap::new()),
        Composed::Left { result, at, left } => {
            same("at", clock, at, 1e-6)?;
            (result, left)
        }
    };
    for (name, tokens) in left {
        let bucket = buckets.get_mut(&name).ok_or("a bucket that isn't given")?;
        bucket.set_clock(clock)?;
        bucket.holds(&name, tokens)?;
    }
    (result == "ok").then_some(()).ok_or(result)
}

/// One setting, as text: it may be none that a number can say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Setting {
    Capacity(String),
    RefillPerSecond(String),
    Cost(String),
    Timeout(String),
}

pub(crate) fn validate(case: &Value) -> Result<(), String> {
    let number = |text: String| text.parse().map_err(|error| format!("{text}: {error}"));
    let ours = match part(case, "given")? {
        Setting::Capacity(text) => {
            number(text).and_then(|tokens| Timed::new(1.0, 1.0, tokens, tokens).map(drop))
        }
        Setting::RefillPerSecond(text) => {
            number(text).and_then(|tokens| rate(tokens, 1.0).map(drop))
        }
        Setting::Cost(text) => number(text).and_then(|tokens| scaled(tokens).map(drop)),
        Setting::Timeout(text) => number(text).and_then(|seconds| duration(seconds).map(drop)),
    };
    verdict(case, ours)
}
