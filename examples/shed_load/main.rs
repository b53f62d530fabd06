//! A server that is offered four times what it can do, and sheds what is too much.
//!
//! A real axum server on loopback has a handler that can do four things at once, each of which takes
//! 20 ms, and which gets slower the more it is asked to do. It runs without a limit, with fixed limits,
//! and with `CongestionLayer`, which isn't told any of this.
//!
//! ```sh
//! cargo run --release --example shed_load
//! ```

mod load;
mod server;

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use tower::BoxError;
use tower_throttle::congestion::{Bounds, Change, CongestionLayer, Estimator, Gradient, Sample};

use self::load::{Figures, Load};

/// Four times what the handler can do.
const OFFERED_PER_SECOND: u32 = 800;

/// The fixed limits among which the best is looked for.
const FIXED: [u32; 4] = [2, 4, 8, 16];

/// A limit that stays as it is.
#[derive(Debug, Clone)]
struct Fixed;

impl Estimator for Fixed {
    fn learn(&mut self, _: &Sample, _: f64, _: Bounds) -> Option<Change> {
        None
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let short = Load {
        per_second: OFFERED_PER_SECOND,
        warm_up: Duration::from_millis(300),
        measured: Duration::from_millis(1200),
    };
    let bare = short.offer(server::app()).await?;
    let mut rows = vec![("no limit".to_owned(), bare)];
    for limit in FIXED {
        let layer = CongestionLayer::with(Fixed).start(limit);
        let figures = short.offer(server::shedding(layer)).await?;
        rows.push((format!("fixed: {limit}"), figures));
    }
    let best = best(&rows);
    let long = Load {
        warm_up: Duration::from_secs(8),
        ..short
    };
    // A server has nobody to agree with when to probe: the dates count from its first call.
    let layer = CongestionLayer::with(Gradient::new());
    let ours = long.offer(server::shedding(layer)).await?;
    println!("{}", table(&rows, &ours));
    println!(
        "goodput {:.0} % of the best fixed limit's, p99 {:.1} times its",
        100.0 * ours.goodput / best.goodput,
        ours.p99.as_secs_f64() / best.p99.as_secs_f64(),
    );
    Ok(())
}

/// The fixed limit with the most goodput.
fn best(rows: &[(String, Figures)]) -> Figures {
    let fixed = rows.iter().skip(1).map(|(_, figures)| figures);
    let best = fixed.max_by(|a, b| a.goodput.total_cmp(&b.goodput));
    best.copied().unwrap_or(rows[0].1)
}

fn table(rows: &[(String, Figures)], ours: &Figures) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table.set_header(["", "goodput", "p50", "p99", "shed", "given up"]);
    for (name, figures) in rows {
        table.add_row(figures.row(name));
    }
    table.add_row(ours.row("CongestionLayer"));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
