use serde::Serialize;

use super::Figures;

/// What came of many runs that differ in their seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// The mean of each figure.
    pub mean: Figures,
    /// The worst of each figure, whichever run it is from.
    pub worst: Figures,
}

impl Summary {
    /// Sums up. Of no runs, nothing is a number.
    #[must_use]
    pub fn of(runs: &[Figures]) -> Self {
        let column = |figure: fn(&Figures) -> f64| runs.iter().map(figure);
        Self {
            mean: each(&|figure| mean(column(figure)), &|figure| {
                mean(column(figure))
            }),
            worst: each(
                &|figure| column(figure).fold(f64::NAN, f64::min),
                &|figure| column(figure).fold(f64::NAN, f64::max),
            ),
        }
    }
}

/// Takes a figure from all runs at once.
type Column<'a> = &'a dyn Fn(fn(&Figures) -> f64) -> f64;

/// Makes every figure: `low` those that are the worse the lower they are, `high` the others.
fn each(low: Column<'_>, high: Column<'_>) -> Figures {
    Figures {
        utilisation: low(|run| run.utilisation),
        jain: low(|run| run.jain),
        success: low(|run| run.success),
        rejected_per_accepted: high(|run| run.rejected_per_accepted),
        p50_s: high(|run| run.p50_s),
        p95_s: high(|run| run.p95_s),
        p99_s: high(|run| run.p99_s),
        sent_p50_s: high(|run| run.sent_p50_s),
        sent_p95_s: high(|run| run.sent_p95_s),
        per_minute: low(|run| run.per_minute),
        rejected_share: high(|run| run.rejected_share),
        failed: high(|run| run.failed),
        timed_out: high(|run| run.timed_out),
        lost: high(|run| run.lost),
        converged_windows: high(|run| run.converged_windows),
        reclaimed_windows: high(|run| run.reclaimed_windows),
        yielded_windows: high(|run| run.yielded_windows),
        rejected_after_change: high(|run| run.rejected_after_change),
        makespan_s: high(|run| run.makespan_s),
    }
}

fn mean(figures: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = u32::try_from(figures.len()).map_or(f64::INFINITY, f64::from);
    figures.sum::<f64>() / count
}
