//! What is printed.

pub(crate) mod beside;
pub(crate) mod markdown;
pub(crate) mod summary;
pub(crate) mod sweep;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

fn empty() -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table
}

/// All but the first so many columns hold numbers.
fn align_right(table: &mut Table, skip: usize) {
    for column in table.column_iter_mut().skip(skip) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn whole_percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn per_100(share: f64) -> String {
    format!("{:.2}", share * 100.0)
}

fn seconds(seconds: f64) -> String {
    if seconds.is_nan() {
        return "-".to_owned();
    }
    format!("{seconds:.2} s")
}

fn count(number: f64) -> String {
    format!("{number:.1}").trim_end_matches(".0").to_owned()
}

fn windows(windows: f64) -> String {
    if windows.is_infinite() {
        return "never".to_owned();
    }
    format!("{windows:.1} windows")
}
