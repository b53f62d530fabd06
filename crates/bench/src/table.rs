//! Rows as tables, one for each case.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use crate::report::Row;

pub(crate) fn render(rows: &[Row]) -> String {
    let mut out = String::new();
    for group in rows.chunk_by(|a, b| a.group == b.group) {
        let about = group[0].group;
        writeln!(out, "\n## {}: {}", about.name(), about.unit()).expect(STRING);
        for case in group.chunk_by(|a, b| a.case == b.case) {
            writeln!(out, "\n{}\n\n{}", title(case), table(case)).expect(STRING);
        }
    }
    out
}

const STRING: &str = "a string takes all";

fn title(case: &[Row]) -> String {
    match case.iter().find_map(|row| row.to) {
        Some(to) => format!("### {} (ratio to {to})", case[0].case),
        None => format!("### {}", case[0].case),
    }
}

fn table(case: &[Row]) -> Table {
    let columns: Vec<Column> = columns(case);
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    table.set_header(columns.iter().map(|column| column.name.replace('_', " ")));
    table.add_rows(
        case.iter()
            .map(|row| columns.iter().map(|column| (column.cell)(row))),
    );
    for (column, of) in table.column_iter_mut().zip(&columns) {
        if of.numeric {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

struct Column {
    name: &'static str,
    numeric: bool,
    cell: Box<dyn Fn(&Row) -> String>,
}

impl Column {
    fn text(name: &'static str, cell: impl Fn(&Row) -> String + 'static) -> Self {
        Self {
            name,
            numeric: false,
            cell: Box::new(cell),
        }
    }

    fn number(name: &'static str, of: impl Fn(&Row) -> Option<f64> + 'static) -> Self {
        let cell = move |row: &Row| of(row).map_or_else(String::new, two_digits);
        Self {
            name,
            numeric: true,
            cell: Box::new(cell),
        }
    }
}

/// Those in which any row has something to say.
fn columns(case: &[Row]) -> Vec<Column> {
    let mut columns = vec![
        Column::text("name", |row| row.name.to_owned()),
        Column::number("ns", |row| row.ns),
        Column::number("ratio", |row| row.ratio),
        Column::number("allocs", |row| row.allocs),
    ];
    let figures = figures(case).into_iter();
    columns
        .extend(figures.map(|key| Column::number(key, move |row| row.figures.get(key).copied())));
    columns.push(Column::text("target", targets));
    columns.retain(|column| case.iter().any(|row| !(column.cell)(row).is_empty()));
    columns
}

fn figures(case: &[Row]) -> Vec<&'static str> {
    let mut keys: Vec<_> = case
        .iter()
        .flat_map(|row| row.figures.keys().copied())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn targets(row: &Row) -> String {
    let targets: Vec<String> = row.targets.iter().map(ToString::to_string).collect();
    targets.join("\n")
}

/// Without a minus before what rounds to zero.
fn two_digits(value: f64) -> String {
    let value = if value.abs() < 0.005 { 0.0 } else { value };
    format!("{value:.2}")
}
