use serde::Serialize;

use super::measured::Measured;
use crate::run::{Config, Run};

/// What came of one run, or of many. What there is not is not a number, `null` as JSON; what was never
/// reached is infinite, `null` too.
///
/// Unless it says otherwise, it is about the measured windows: about answers that the server gave in
/// them, and about requests that ended in them. What the server gave a rogue counts, what the rogue
/// made of it doesn't.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// What the server let in, as a share of what it would have let in.
    pub utilisation: f64,
    /// 429s for each request that was let in.
    pub rejected_per_accepted: f64,
    /// [How fairly](super::jain) the clients share what was let in: those that were there all the time.
    pub jain: f64,
    /// Requests that succeeded, as a share of those that ended.
    pub success: f64,
    /// How long a request that succeeded took in the median, from the beginning to the end, in seconds.
    pub p50_s: f64,
    /// The same for the slowest twentieth.
    pub p95_s: f64,
    /// The same for the slowest hundredth.
    pub p99_s: f64,
    /// How long a request that was let in took from the send to the response, without waiting in the
    /// client's line, in the median, in seconds.
    pub sent_p50_s: f64,
    /// The same for the slowest twentieth.
    pub sent_p95_s: f64,
    /// Requests that succeeded per minute.
    pub per_minute: f64,
    /// 429s as a share of all that the server answered.
    pub rejected_share: f64,
    /// Requests that ended in an error, or in a 429 after all retries.
    pub failed: f64,
    /// Those among them that a layer refused because they would have waited for too long, or did.
    pub timed_out: f64,
    /// Requests of the whole run that never ended. There must be none.
    pub lost: f64,
    /// From the beginning, after how many windows at least 90 % of the quota were used for a window,
    /// with at most 5 429s per 100.
    pub converged_windows: f64,
    /// From the first change on, after how many windows at least 95 % of the quota were used for a
    /// window.
    pub reclaimed_windows: f64,
    /// From the first change on, after how many windows there were at most 5 429s per 100 for a window.
    pub yielded_windows: f64,
    /// 429s for each request that was let in, in the four windows from the first change on.
    pub rejected_after_change: f64,
    /// When the last request of the whole run ended, in seconds.
    pub makespan_s: f64,
}

impl Figures {
    /// What came of `run`, which ran as `config` says.
    #[must_use]
    pub fn of(config: &Config, run: &Run) -> Self {
        let measured = Measured::of(config, run);
        Self {
            utilisation: measured.utilisation(),
            rejected_per_accepted: measured.rejected_per_accepted(),
            jain: measured.jain(),
            success: measured.success(),
            p50_s: measured.latency(50),
            p95_s: measured.latency(95),
            p99_s: measured.latency(99),
            sent_p50_s: measured.latency_from_send(50),
            sent_p95_s: measured.latency_from_send(95),
            per_minute: measured.per_minute(),
            rejected_share: measured.rejected_share(),
            failed: measured.failed(),
            timed_out: measured.timed_out(),
            lost: run.lost.into(),
            converged_windows: measured.converged(),
            reclaimed_windows: measured.reclaimed(),
            yielded_windows: measured.yielded(),
            rejected_after_change: measured.rejected_after_change(),
            makespan_s: measured.makespan(),
        }
    }
}
