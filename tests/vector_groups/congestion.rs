//! The congestion control of stkai's SDK: its steps, each for itself.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use tower_throttle_congestion::{Bounds, Congestion, LittlesLaw};

use super::{part, same};

/// Averages of decimal fractions.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Latencies {
    alpha: f64,
    latencies: Vec<f64>,
}

/// The moving average of the latencies.
pub(crate) fn average(case: &Value) -> Result<(), String> {
    let given: Latencies = part(case, "given")?;
    let expect: Vec<f64> = part(case, "expect")?;
    let mut law = LittlesLaw::as_published().alpha(given.alpha);
    if given.latencies.len() != expect.len() {
        return Err("as many latencies as averages".into());
    }
    let now = Instant::now();
    for (latency, theirs) in given.latencies.iter().zip(expect) {
        law.record(Duration::from_secs_f64(*latency), now);
        same(
            "the average",
            law.latency().unwrap_or(0.0),
            theirs,
            TOLERANCE,
        )?;
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    /// In words: a completion every 0.5 s with a latency of 0.5 s, and a window of 5 s.
    #[serde(rename = "desc")]
    _desc: String,
}

/// Throughput by the window, and the pressure that comes of it.
pub(crate) fn throughput(case: &Value) -> Result<(), String> {
    let _: Described = part(case, "given")?;
    let rows: Vec<(f64, f64, f64)> = part(case, "expect")?;
    let mut law = LittlesLaw::as_published().window(Duration::from_secs(5));
    let start = Instant::now();
    for (at, throughput, pressure) in rows {
        let now = start + Duration::from_secs_f64(at);
        law.record(Duration::from_millis(500), now);
        same("the throughput", law.throughput(), throughput, TOLERANCE)?;
        same("the pressure", law.pressure(), pressure, TOLERANCE)?;
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pressed {
    throughput: f64,
    latency_ema: f64,
    limit: u32,
    free_permits: u32,
    random: f64,
    max_concurrency: u32,
    pressure_threshold: f64,
    growth_probability: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Adjusted {
    pressure: f64,
    limit: u32,
    free_permits: u32,
}

/// One step of the limit.
pub(crate) fn adjust(case: &Value) -> Result<(), String> {
    let (given, expect): (Pressed, Adjusted) = (part(case, "given")?, part(case, "expect")?);
    let law = LittlesLaw::as_published()
        .threshold(given.pressure_threshold)
        .growth_probability(given.growth_probability);
    let pressure = given.throughput * given.latency_ema;
    same("the pressure", pressure, expect.pressure, TOLERANCE)?;
    let bounds = Bounds::new(1, given.max_concurrency);
    let limit = law.step(pressure, given.limit, bounds, given.random);
    let limiter = Congestion::with(law)
        .max_limit(given.max_concurrency)
        .start(limit);
    let in_flight = given.limit - given.free_permits;
    let free = limiter.limit().saturating_sub(in_flight);
    if (limit, free) == (expect.limit, expect.free_permits) {
        Ok(())
    } else {
        Err(format!("the limit is {limit}, and {free} are free"))
    }
}
