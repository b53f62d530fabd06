//! One module per system or crate; one function per group of cases.

mod aimd;
mod bucket;
mod congestion;
mod jitter;
mod khive;
mod retry;
mod stkai;
mod techrevati;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Whether a case comes out as recorded, and what came out if not.
pub(crate) type Group = fn(&Value) -> Result<(), String>;

/// How ids begin, and what runs these cases: the first that fits.
pub(crate) const GROUPS: &[(&str, Group)] = &[
    ("aimd-status-", aimd::status),
    ("aimd-validate-", aimd::validate),
    ("aimd-", aimd::steps),
    ("cong-adjust-", congestion::adjust),
    ("cong-ema", congestion::average),
    ("cong-throughput-window", congestion::throughput),
    ("jitter-", jitter::jitter),
    ("khive-bucket-", khive::bucket),
    ("khive-endpoint-", khive::endpoint),
    ("retry-after-", retry::after),
    ("retry-loop-", retry::repeated),
    ("retry-wait-", retry::wait),
    ("retryable-status-", retry::status),
    ("tb-validate-", stkai::validate),
    ("tb-", stkai::token_bucket),
    ("tech-acquire-", techrevati::acquire),
    ("tech-clock-", techrevati::clock),
    ("tech-composite-", techrevati::composite),
    ("tech-refill-", techrevati::refill),
    ("tech-try-", techrevati::try_acquire),
    ("tech-validate-", techrevati::validate),
];

/// A part of a case, which must have the fields of `T` and no others.
fn part<T: DeserializeOwned>(case: &Value, part: &str) -> Result<T, String> {
    serde_json::from_value(case[part].clone()).map_err(|error| format!("`{part}`: {error}"))
}

/// A recorded verdict on a configuration, against what a constructor of ours says.
fn verdict<T>(case: &Value, ours: Result<T, String>) -> Result<(), String> {
    match (case["expect"].as_str(), ours) {
        (Some("ok"), Ok(_)) | (Some("invalid"), Err(_)) => Ok(()),
        (Some("ok"), Err(error)) => Err(format!("refused: {error}")),
        (Some("invalid"), Ok(_)) => Err("accepted".into()),
        _ => Err(format!("`expect` is {}", case["expect"])),
    }
}

fn same(what: &str, ours: f64, theirs: f64, tolerance: f64) -> Result<(), String> {
    if (ours - theirs).abs() <= tolerance {
        Ok(())
    } else {
        Err(format!("{what} is {ours} instead of {theirs}"))
    }
}
