//! What windows and bounds of a rate may be, for all laws.

use std::time::Duration;

use tower_throttle_core::Invalid;
use tower_throttle_token_bucket::Rate;

use crate::time::LONGEST;

/// 30 years at most.
pub(crate) fn window(window: Duration) -> Result<Duration, Invalid> {
    if window.is_zero() {
        let rule = "longer than zero";
        return Err(Invalid::new("window", format_args!("{window:?}"), rule));
    }
    Ok(window.min(LONGEST))
}

/// As long as no `max_rate` is known, every rate is at most that.
pub(crate) fn min_rate(min: Rate, max: Option<Rate>) -> Result<Rate, Invalid> {
    let refused = || Invalid::new("min_rate", min, "at most max_rate");
    is_ordered(Some(min), max)
        .then_some(min)
        .ok_or_else(refused)
}

/// As long as no `min_rate` is set, every rate is at least that.
pub(crate) fn max_rate(max: Rate, min: Option<Rate>) -> Result<Rate, Invalid> {
    let refused = || Invalid::new("max_rate", max, "at least min_rate");
    is_ordered(min, Some(max))
        .then_some(max)
        .ok_or_else(refused)
}

fn is_ordered(min: Option<Rate>, max: Option<Rate>) -> bool {
    min.zip(max)
        .is_none_or(|(min, max)| min.as_per_second_f64() <= max.as_per_second_f64())
}
