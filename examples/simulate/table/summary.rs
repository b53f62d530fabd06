use tower_throttle_sim::{Config, Figures, Summary, client::Load};

use super::{count, per_100, percent, seconds, windows};
use crate::plan::Plan;

/// What one row says, and of which figure.
type Row = (&'static str, fn(&Figures) -> String);

const ROWS: [Row; 12] = [
    ("share of the quota used", |run| percent(run.utilisation)),
    ("429s per 100 let in", |run| {
        per_100(run.rejected_per_accepted)
    }),
    ("fairness (Jain)", |run| format!("{:.3}", run.jain)),
    ("success", |run| percent(run.success)),
    ("p50, waiting included", |run| seconds(run.p50_s)),
    ("p95", |run| seconds(run.p95_s)),
    ("p99", |run| seconds(run.p99_s)),
    ("p95, from the send", |run| seconds(run.sent_p95_s)),
    ("failed", |run| count(run.failed)),
    ("of these, waited too long", |run| count(run.timed_out)),
    ("lost", |run| count(run.lost)),
    ("good for the first time after", |run| {
        windows(run.converged_windows)
    }),
];

/// The row that says something only if there is an end.
const BATCH_ROW: Row = ("all done after", |run| seconds(run.makespan_s));

/// Rows that say something only if something changed.
const CHANGE_ROWS: [Row; 3] = [
    ("95 % used again after", |run| {
        windows(run.reclaimed_windows)
    }),
    ("few 429s again after", |run| windows(run.yielded_windows)),
    ("429s per 100 let in, 4 windows on", |run| {
        per_100(run.rejected_after_change)
    }),
];

/// A table for people.
pub(crate) fn of(plan: &Plan, summary: &Summary) -> String {
    let mut table = super::empty();
    let plural = if plan.seeds == 1 { "" } else { "s" };
    let mean = format!("mean of {} seed{plural}", plan.seeds);
    table.set_header([&plan.config.strategy.to_string(), &mean, "worst"]);
    for (name, figure) in rows(&plan.config) {
        table.add_row([name, &figure(&summary.mean), &figure(&summary.worst)]);
    }
    super::align_right(&mut table, 1);
    format!("{}\n{table}", plan.describe())
}

fn rows(config: &Config) -> Vec<Row> {
    // A batch is over before the windows are: how much of them all it used says nothing.
    let is_batch = matches!(config.load, Load::Batch(_));
    let mut rows = ROWS[usize::from(is_batch)..].to_vec();
    if !config.changes.is_empty() {
        rows.extend(CHANGE_ROWS);
    }
    if is_batch {
        rows.push(BATCH_ROW);
    }
    rows
}
