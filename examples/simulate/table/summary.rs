use tower_throttle_sim::{Figures, Summary};

use super::{count, per_100, percent, seconds, windows};
use crate::args::Plan;

/// What one row says, and of which figure.
type Row = (&'static str, fn(&Figures) -> String);

const ROWS: [Row; 11] = [
    ("share of the quota used", |run| percent(run.utilisation)),
    ("429s per 100 accepted", |run| {
        per_100(run.rejected_per_accepted)
    }),
    ("fairness (Jain)", |run| format!("{:.3}", run.jain)),
    ("success", |run| percent(run.success)),
    ("p50", |run| seconds(run.p50_s)),
    ("p95", |run| seconds(run.p95_s)),
    ("p99", |run| seconds(run.p99_s)),
    ("failed", |run| count(run.failed)),
    ("timed out", |run| count(run.timed_out)),
    ("lost", |run| count(run.lost)),
    ("converged after", |run| windows(run.converged_windows)),
];

/// Rows that say something only if something changed.
const CHANGE_ROWS: [Row; 3] = [
    ("95 % used again after", |run| {
        windows(run.reclaimed_windows)
    }),
    ("few 429s again after", |run| windows(run.yielded_windows)),
    ("429s per 100, 4 windows on", |run| {
        per_100(run.rejected_after_change)
    }),
];

/// A table for people.
pub(crate) fn of(plan: &Plan, summary: &Summary) -> String {
    let mut table = super::empty();
    let mean = format!("mean of {} seeds", plan.seeds);
    table.set_header([&plan.config.strategy.to_string(), &mean, "worst"]);
    let changes = CHANGE_ROWS
        .iter()
        .filter(|_| !plan.config.changes.is_empty());
    for (name, figure) in ROWS.iter().chain(changes) {
        table.add_row([*name, &figure(&summary.mean), &figure(&summary.worst)]);
    }
    super::align_right(&mut table, 1);
    format!("{}\n{table}", plan.describe())
}
