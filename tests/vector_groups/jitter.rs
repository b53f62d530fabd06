//! The `jitter-*` cases: a factor is valid or not; a multiplier drawn is applied to a value.

use serde_json::Value;
use tower_throttle_jitter::Jitter;

/// Whether the case comes out as recorded, and what came out if not.
pub(crate) fn jitter(case: &Value) -> Result<(), String> {
    let given = case["given"].as_object().ok_or("no `given`")?;
    if let Some(unknown) = given
        .keys()
        .find(|key| !["factor", "rng_uniform", "value"].contains(&key.as_str()))
    {
        return Err(format!("`given` has an unknown `{unknown}`"));
    }
    let number = |key: &str| given.get(key).and_then(Value::as_f64);
    let factor = number("factor").ok_or("no factor")?;
    let jitter = Jitter::try_proportional(factor);
    match (
        jitter,
        number("rng_uniform").zip(number("value")),
        &case["expect"],
    ) {
        (Err(_), _, Value::String(expect)) if expect == "invalid" => Ok(()),
        (Ok(_), None, Value::String(expect)) if expect == "ok" && given.len() == 1 => Ok(()),
        (Ok(jitter), Some((multiplier, value)), Value::Number(expect)) => {
            let applied = jitter.at(value, unit_of(multiplier, factor));
            let expect = expect.as_f64().ok_or("not a number")?;
            close(applied, expect)
                .then_some(())
                .ok_or(format!("{applied} instead of {expect}"))
        }
        (jitter, _, expect) => Err(format!("{jitter:?} where {expect} is expected")),
    }
}

/// The draw from `[0, 1]` that gives this multiplier.
fn unit_of(multiplier: f64, factor: f64) -> f64 {
    if factor > 0.0 {
        (multiplier - (1.0 - factor)) / (2.0 * factor)
    } else {
        0.0
    }
}

/// The same but for the rounding of the two ways to compute it.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * b.abs()
}
