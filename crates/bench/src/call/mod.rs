//! A call through a tower service (ready, call, await) over an echo, while there are tokens.

mod case;
mod concurrency;
mod drive;
mod echo;
mod peers;

use std::thread::available_parallelism;

use crate::{
    args::{Effort, Group},
    ours,
    report::{Row, Target},
    rounds::Subject,
};

use self::{
    case::{BARE, Case, Over},
    drive::{Alone, Contended},
    echo::{number, request},
};

pub(crate) use self::{concurrency::rows as concurrency, drive::Drive, echo::Echo};

const NUMBERS: &str = "1 thread";
const TOWER_RATE: &str = "tower RateLimit";
const TOWER_CONCURRENCY: &str = "tower ConcurrencyLimit";
const RESILIENCE: &str = "tower-resilience";

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let mut cases = one_thread();
    if has_two_cores() {
        cases.extend(two_threads());
    }
    cases
        .into_iter()
        .flat_map(|case| case.rows(effort))
        .collect()
}

fn has_two_cores() -> bool {
    available_parallelism().is_ok_and(|cores| cores.get() >= 2)
}

fn one_thread() -> Vec<Case> {
    let drive = Alone::new();
    let mut numbers = peers::shared(&drive, number);
    numbers.insert(1, peers::tower_rate(&drive, number));
    let mut http = peers::shared(&drive, request);
    http.insert(1, peers::tower_rate(&drive, request));
    http.push(peers::governor(&drive, request));
    numbers.extend(ours::call(&drive, number));
    http.extend(ours::call(&drive, request));
    vec![
        case(NUMBERS, TOWER_RATE, numbers),
        case("1 thread, http", TOWER_RATE, http),
    ]
}

fn two_threads() -> Vec<Case> {
    let drive = Contended::new();
    let mut numbers = peers::shared(&drive, number);
    let mut http = peers::shared(&drive, request);
    http.push(peers::governor(&drive, request));
    numbers.extend(ours::call(&drive, number));
    http.extend(ours::call(&drive, request));
    vec![
        case("2 threads", TOWER_CONCURRENCY, numbers),
        case("2 threads, http", TOWER_CONCURRENCY, http),
    ]
}

/// The target over `RateLimit` is for the echo of numbers: what building an HTTP request and the
/// layer's work overlap in is not the layer's merit.
fn case(name: &'static str, yardstick: &'static str, subjects: Vec<Subject>) -> Case {
    let judge = move |row: &'static str, over: &Over, allocs: f64| {
        let cheaper = over.ratio(RESILIENCE, row);
        let mut targets = vec![
            Target::at_least("x cheaper than tower-resilience", cheaper, 2.7),
            Target::at_most("allocations", allocs, 0.0),
        ];
        if name == NUMBERS {
            let (limit, stretch) = if row == ours::BACKPRESSURE {
                (1.75, 1.3)
            } else {
                (2.0, 1.6)
            };
            let ratio = over.ratio(row, TOWER_RATE);
            targets.push(Target::at_most("x tower RateLimit", ratio, limit).stretch(stretch));
        }
        targets
    };
    Case {
        group: Group::Call,
        name,
        yardstick,
        subjects,
        targets: Box::new(judge),
    }
}
