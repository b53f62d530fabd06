//! tower-throttle beside its peers, in one run. See the README for what is measured and how.
#![expect(
    clippy::cast_precision_loss,
    reason = "counts and nanoseconds become figures for a reader, who sees three digits"
)]

mod admission;
mod args;
mod call;
mod ours;
mod report;
mod rounds;
mod stats;
mod table;
mod wait;

use std::time::Instant;

use clap::Parser;

use self::{
    args::{Args, Effort, Group},
    report::{Report, Row},
};

fn main() {
    let args = Args::parse();
    let report = Report {
        rows: measure(&args),
    };
    if args.json {
        println!("{}", report.to_json());
    } else {
        print!("{}", table::render(&report.rows));
    }
}

fn measure(args: &Args) -> Vec<Row> {
    let effort = args.effort();
    let start = Instant::now();
    let mut rows = Vec::new();
    for group in args.groups() {
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("[{seconds:5.1} s] {}", group.name());
        rows.extend(measure_group(group, &effort));
    }
    rows
}

fn measure_group(group: Group, effort: &Effort) -> Vec<Row> {
    match group {
        Group::Admission => admission::rows(effort),
        Group::Call => call::rows(effort),
        Group::Concurrency => call::concurrency(effort),
        Group::Wait => wait::pace::rows(effort),
        Group::Memory => wait::memory::rows(effort),
        Group::Cancel => wait::cancel::rows(effort),
    }
}
