use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

use crate::{args::Plan, run::Outcome};

/// The figures of both runs. `suite` is missing if the bare run was interrupted.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) bare: Figures,
    pub(crate) suite: Option<Figures>,
}

impl Report {
    pub(crate) fn table(&self, plan: &Plan) -> String {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table.set_header(["", "accepted", "429s", "quota used", "p50", "p95", "failed"]);
        table.add_row(self.bare.row("bare"));
        if let Some(suite) = &self.suite {
            table.add_row(suite.row(&plan.strategy.name()));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }
}

/// What came of one run, in figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figures {
    accepted: u32,
    rejected: u32,
    /// What the server accepted, as a fraction of what it would have accepted.
    quota_used: f64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    failed: u32,
}

impl Figures {
    pub(crate) fn of(plan: &Plan, outcome: &Outcome) -> Self {
        let mut latencies = outcome.seen.latencies.clone();
        latencies.sort_unstable();
        Self {
            accepted: outcome.counts.accepted,
            rejected: outcome.counts.rejected,
            quota_used: quota_used(outcome.served.accepted, plan.quota, outcome.windows),
            p50_ms: percentile(&latencies, 50).map(millis),
            p95_ms: percentile(&latencies, 95).map(millis),
            failed: outcome.counts.failed + outcome.seen.refused,
        }
    }

    fn row(&self, name: &str) -> [String; 7] {
        let ms = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
        [
            name.to_owned(),
            self.accepted.to_string(),
            self.rejected.to_string(),
            format!("{:.1} %", self.quota_used * 100.0),
            ms(self.p50_ms),
            ms(self.p95_ms),
            self.failed.to_string(),
        ]
    }
}

/// To four digits: finer than one request of the default run.
fn quota_used(accepted: u32, quota: u32, windows: u32) -> f64 {
    let used = f64::from(accepted) / (f64::from(quota) * f64::from(windows));
    (used * 1e4).round() / 1e4
}

/// The smallest value that at least `percent` of all values do not exceed (nearest rank).
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

/// To a microsecond.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(p50_ms: Option<f64>) -> Figures {
        Figures {
            accepted: 980,
            rejected: 2,
            quota_used: 0.98,
            p50_ms,
            p95_ms: Some(153.25),
            failed: 1,
        }
    }

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let millis = |n: u64| (1..=n).map(Duration::from_millis).collect::<Vec<_>>();
        for (count, percent, expected) in [
            (1, 50, 1),
            (1, 95, 1),
            (2, 50, 1),
            (3, 50, 2),
            (20, 95, 19),
            (21, 95, 20),
            (100, 95, 95),
        ] {
            let found = percentile(&millis(count), percent);
            assert_eq!(
                found,
                Some(Duration::from_millis(expected)),
                "{percent} % of {count}"
            );
        }
    }

    #[test]
    fn of_nothing_there_is_no_percentile() {
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn the_quota_used_is_a_fraction_of_all_windows() {
        for (accepted, quota, windows, used) in [
            (0, 100, 10, "0"),
            (980, 100, 10, "0.98"),
            (1000, 100, 10, "1"),
            (1, 3, 1, "0.3333"),
        ] {
            assert_eq!(quota_used(accepted, quota, windows).to_string(), used);
        }
    }

    #[test]
    fn json_has_these_keys_and_no_others() {
        let report = Report {
            bare: figures(None),
            suite: Some(figures(Some(0.5))),
        };
        let expected = serde_json::json!({
            "bare": { "accepted": 980, "rejected": 2, "quota_used": 0.98, "p50_ms": null,
                      "p95_ms": 153.25, "failed": 1 },
            "suite": { "accepted": 980, "rejected": 2, "quota_used": 0.98, "p50_ms": 0.5,
                       "p95_ms": 153.25, "failed": 1 },
        });
        assert_eq!(serde_json::to_value(report).unwrap(), expected);
    }

    #[test]
    fn a_row_says_a_dash_for_what_there_is_not() {
        let row = figures(None).row("bare");
        assert_eq!(
            row,
            ["bare", "980", "2", "98.0 %", "-", "153.2 ms", "1"].map(String::from)
        );
    }
}
