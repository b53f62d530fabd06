//! The `aimd-*` cases: the steps of stkai's adaptive limiter, its waits, and what it refuses to be.

use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tower_throttle_aimd::{Aimd, decrease, increase};
use tower_throttle_core::{Classify, HttpOutcome, Outcome as Meaning, Verdict};
use tower_throttle_token_bucket::Rate;

use super::{
    bucket::{Outcome, Timed},
    part, same, verdict,
};

/// Recorded limits are rounded to nine places.
const LIMIT: f64 = 1e-9;

/// Our bucket tells ten thousandths of a token apart.
const PARTS: f64 = 10_000.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    limiter: String,
    max_requests: f64,
    time_window: f64,
    min_rate_floor: f64,
    penalty_factor: f64,
    recovery_factor: f64,
    max_wait_time: f64,
    /// By how much the original stretches a sleep: none of these cases does.
    sleep_multiplier: f64,
    ops: Vec<Op>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Op {
    /// `"acquire"`.
    Acquire(String),
    /// `["429", jitter]`, `["ok", jitter]`.
    Response(String, f64),
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Expect {
    Step {
        op: String,
        jitter: f64,
        effective_max: f64,
        tokens: f64,
    },
    Acquire {
        op: String,
        requested_at: f64,
        result: String,
        at: f64,
        /// How the original slept: ours need not.
        #[serde(rename = "sleeps")]
        _sleeps: Vec<f64>,
        tokens_after: f64,
    },
}

/// The original: its steps, and a bucket that is as large as its limit.
struct Original {
    given: Given,
    effective: f64,
    bucket: Timed,
}

pub(crate) fn steps(case: &Value) -> Result<(), String> {
    let (given, expect): (Given, Vec<Expect>) = (part(case, "given")?, part(case, "expect")?);
    same("sleep_multiplier", given.sleep_multiplier, 1.0, 0.0)?;
    if given.limiter != "adaptive" || given.ops.len() != expect.len() {
        return Err("an unknown limiter, or not as many results as operations".into());
    }
    let max = given.max_requests;
    let mut original = Original {
        bucket: Timed::new(max, given.time_window, max, max)?,
        effective: max,
        given,
    };
    (0..expect.len()).try_for_each(|op| original.operate(op, &expect[op]))
}

impl Original {
    fn operate(&mut self, op: usize, expect: &Expect) -> Result<(), String> {
        match (&self.given.ops[op], expect) {
            (Op::Acquire(name), Expect::Acquire { op, .. }) if name == op => self.acquire(expect),
            (
                Op::Response(name, drawn),
                Expect::Step {
                    op,
                    jitter,
                    effective_max,
                    tokens,
                },
            ) if name == op => {
                same("jitter", *drawn, *jitter, 0.0)?;
                self.step(op, *jitter)?;
                same("effective_max", self.effective, *effective_max, LIMIT)?;
                self.bucket.holds("tokens", *tokens)
            }
            _ => Err("another operation than recorded".into()),
        }
    }

    fn step(&mut self, op: &str, jitter: f64) -> Result<(), String> {
        let Given {
            max_requests: max,
            penalty_factor: penalty,
            min_rate_floor: floor,
            recovery_factor: recovery,
            time_window,
            ..
        } = self.given;
        self.effective = match op {
            "429" => decrease(self.effective, max, penalty, floor, jitter),
            "ok" => increase(self.effective, max, recovery, jitter),
            other => return Err(format!("an unknown operation: {other}")),
        };
        self.bucket.set_rate(self.effective, time_window)?;
        self.bucket
            .set_burst((self.effective * PARTS).round() / PARTS)
    }

    fn acquire(&mut self, expect: &Expect) -> Result<(), String> {
        let Expect::Acquire {
            requested_at,
            result,
            at,
            tokens_after,
            ..
        } = expect
        else {
            return Err("not an acquire".into());
        };
        self.bucket.is_at("requested_at", *requested_at)?;
        match self.bucket.acquire(1.0, Some(self.given.max_wait_time))? {
            Outcome::Acquired if result == "acquired" => {}
            outcome => return Err(format!("{outcome:?} instead of {result}")),
        }
        self.bucket.is_at("at", *at)?;
        self.bucket.holds("tokens_after", *tokens_after)
    }
}

pub(crate) fn validate(case: &Value) -> Result<(), String> {
    let given = case["given"].as_object().ok_or("no `given`")?;
    let [(field, value)] = Vec::from_iter(given)[..] else {
        return Err("not one setting".into());
    };
    let value = value.as_f64().ok_or("not a number")?;
    let law = Aimd::new(Rate::per_minute(100));
    let ours = match field.as_str() {
        "min_rate_floor" => law.try_floor(value),
        "penalty_factor" => law.try_penalty(value),
        "recovery_factor" => law.try_recovery(value),
        other => return Err(format!("an unknown setting: {other}")),
    };
    verdict(case, ours.map_err(|error| error.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    max_requests: f64,
    #[serde(rename = "time_window")]
    _time_window: f64,
    min_rate_floor: f64,
    penalty_factor: f64,
    recovery_factor: f64,
    #[serde(rename = "max_wait_time")]
    _max_wait_time: f64,
    effective_max_before: f64,
    status: u16,
    jitter: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Effect {
    effective_max: f64,
    outcome: String,
}

pub(crate) fn status(case: &Value) -> Result<(), String> {
    let (given, expect): (Answered, Effect) = (part(case, "given")?, part(case, "expect")?);
    let (max, before, jitter) = (given.max_requests, given.effective_max_before, given.jitter);
    let (penalty, floor) = (given.penalty_factor, given.min_rate_floor);
    let (effective, outcome) = match meaning(given.status)? {
        Meaning::Succeeded => {
            let effective = increase(before, max, given.recovery_factor, jitter);
            (effective, "returned")
        }
        Meaning::Throttled => {
            let effective = decrease(before, max, penalty, floor, jitter);
            (effective, "ServerSideRateLimitError")
        }
        Meaning::Failed | Meaning::Ignored => (before, "returned"),
    };
    same("effective_max", effective, expect.effective_max, LIMIT)?;
    (outcome == expect.outcome)
        .then_some(())
        .ok_or(format!("{outcome} instead of {}", expect.outcome))
}

fn meaning(status: u16) -> Result<Meaning, String> {
    let status = StatusCode::from_u16(status).map_err(|error| error.to_string())?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    match HttpOutcome.classify(Ok::<_, &()>(&response)) {
        Verdict::Known(outcome) => Ok(outcome),
        Verdict::Later(_) => Err("judged later".into()),
    }
}
