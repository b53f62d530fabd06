use std::time::Duration;

use serde::Serialize;

use super::published::Five;
use crate::{
    client::End,
    report::{percentile, ratio},
    run::{Config, Run},
};

/// What came of a world, in the figures of the reference.
///
/// Requests that have not ended when the time is up don't count, as in the reference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Outcome {
    /// Requests that succeeded, as a share of those that ended.
    pub success: f64,
    /// 429s, as a share of all attempts that the server saw.
    pub rejected_share: f64,
    /// Requests that succeeded per minute.
    pub per_minute: f64,
    /// How long a request took in the median, failed ones included, in seconds.
    pub p50_s: f64,
    /// The same for the slowest twentieth.
    pub p95_s: f64,
    /// Requests that never ended, once the time was up and nothing new began.
    pub lost: f64,
}

impl Outcome {
    /// What came of `run`, which ran as `config` says.
    #[must_use]
    pub fn of(config: &Config, run: &Run) -> Self {
        let in_time = |ended: Duration| ended < config.length();
        let ended = run.requests.iter().filter(|request| in_time(request.ended));
        let mut took: Vec<_> = ended.clone().map(|request| request.took()).collect();
        took.sort_unstable();
        let succeeded = ended.filter(|request| request.end == End::Succeeded);
        let succeeded = number(succeeded.count());
        let accepted = total(&run.series.accepted);
        let rejected = total(&run.series.rejected);
        let seconds = |time: Option<Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64());
        Self {
            success: ratio(succeeded, number(took.len())).unwrap_or(1.0),
            rejected_share: ratio(rejected, accepted + rejected).unwrap_or(0.0),
            per_minute: succeeded * 60.0 / config.length().as_secs_f64(),
            p50_s: seconds(percentile(&took, 50)),
            p95_s: seconds(percentile(&took, 95)),
            lost: run.lost.into(),
        }
    }

    /// The mean of each figure.
    #[must_use]
    pub fn mean(outcomes: &[Self]) -> Self {
        let count = number(outcomes.len());
        let mean = |figure: fn(&Self) -> f64| outcomes.iter().map(figure).sum::<f64>() / count;
        Self {
            success: mean(|outcome| outcome.success),
            rejected_share: mean(|outcome| outcome.rejected_share),
            per_minute: mean(|outcome| outcome.per_minute),
            p50_s: mean(|outcome| outcome.p50_s),
            p95_s: mean(|outcome| outcome.p95_s),
            lost: mean(|outcome| outcome.lost),
        }
    }

    pub(super) const fn known([success, rejected, per_minute, p50_s, p95_s]: Five) -> Self {
        Self {
            success: success / 100.0,
            rejected_share: rejected / 100.0,
            per_minute,
            p50_s,
            p95_s,
            lost: 0.0,
        }
    }
}

fn total(rows: &[Vec<u32>]) -> f64 {
    rows.iter().flatten().copied().map(f64::from).sum()
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
