use tower_throttle_sim::scenario::Outcome;

use super::{count, whole_percent};
use crate::task::Comparison;

/// What one column says of an outcome.
type Column = (&'static str, fn(&Outcome) -> String);

const COLUMNS: [Column; 6] = [
    ("success %", |outcome| whole_percent(outcome.success)),
    ("429s %", |outcome| whole_percent(outcome.rejected_share)),
    ("per min", |outcome| format!("{:.1}", outcome.per_minute)),
    ("p50 s", |outcome| format!("{:.1}", outcome.p50_s)),
    ("p95 s", |outcome| format!("{:.1}", outcome.p95_s)),
    ("lost", |outcome| count(outcome.lost)),
];

/// Figures side by side: published / corrected / here.
pub(crate) fn of(comparisons: &[Comparison]) -> String {
    let mut table = super::empty();
    let columns = COLUMNS.iter().map(|(name, _)| *name);
    table.set_header(["processes", "strategy"].into_iter().chain(columns));
    for comparison in comparisons {
        let name = [
            comparison.processes.to_string(),
            comparison.strategy.clone(),
        ];
        let cells = COLUMNS.iter().map(|(_, cell)| three(comparison, *cell));
        table.add_row(name.into_iter().chain(cells));
    }
    super::align_right(&mut table, 2);
    format!("each cell: published / corrected / here; 429s in percent of all attempts\n{table}")
}

fn three(comparison: &Comparison, cell: fn(&Outcome) -> String) -> String {
    let known = comparison.reference;
    let published = known.map(|reference| reference.published);
    let corrected = known.map(|reference| reference.corrected);
    let dash = |outcome: Option<Outcome>| outcome.as_ref().map_or_else(|| "-".to_owned(), cell);
    match known {
        None => dash(comparison.here),
        Some(_) => [published, corrected, comparison.here]
            .map(dash)
            .join(" / "),
    }
}
