//! A call through a service that limits what is in flight, far below its limit: over an HTTP echo.

use std::time::Duration;

use http::Request;
use tower::{Layer, limit::ConcurrencyLimit};
use tower_acc::{ConcurrencyLimitLayer, Gradient2};
use tower_resilience_adaptive::{AdaptiveLimiterLayer, Aimd};
use tower_resilience_bulkhead::BulkheadLayer;

use crate::{
    admission,
    args::{Effort, Group},
    ours,
    report::{Row, Target},
    rounds::Subject,
};

use super::{
    TOWER_CONCURRENCY,
    case::{BARE, Case, Over},
    drive::{Alone, Contended, Drive},
    echo::{Echo, request},
    has_two_cores,
};

const ONE_THREAD: &str = "1 thread, http";
const ADAPTIVE: &str = "tower-resilience adaptive";

/// What two readings of the clock don't account for, with one thread: with two, tower's semaphore alone takes several
/// times as long.
const REST: f64 = 60.0;

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let clock = admission::clock(effort);
    let mut cases = vec![case(ONE_THREAD, &Alone::new(), clock)];
    if has_two_cores() {
        cases.push(case("2 threads, http", &Contended::new(), clock));
    }
    cases
        .into_iter()
        .flat_map(|case| case.rows(effort))
        .collect()
}

fn case(name: &'static str, drive: &impl Drive, clock: f64) -> Case {
    let mut subjects = peers(drive, request);
    subjects.extend(ours::concurrency(drive, request));
    let judge = move |row: &'static str, over: &Over, allocs: f64| {
        let to_adaptive = over.ratio(row, ADAPTIVE);
        let mut targets = vec![
            Target::at_most("x tower-resilience adaptive", to_adaptive, 0.4),
            Target::at_most("allocations", allocs, 0.0),
        ];
        if name == ONE_THREAD {
            let rest = over.median(row) - 2.0 * clock;
            targets.insert(0, Target::at_most("ns beside two clock reads", rest, REST));
        }
        targets
    };
    Case {
        group: Group::Concurrency,
        name,
        yardstick: TOWER_CONCURRENCY,
        subjects,
        targets: Box::new(judge),
    }
}

fn peers(drive: &impl Drive, request: fn() -> Request<()>) -> Vec<Subject> {
    let adaptive = Aimd::builder().initial_limit(20).max_limit(200).build();
    let adaptive = AdaptiveLimiterLayer::new(adaptive.expect("within bounds"));
    let bulkhead = BulkheadLayer::builder().max_concurrent_calls(20).build();
    let shedder = little_loadshedder::LoadShedLayer::new(0.1, Duration::from_secs(1));
    vec![
        drive.subject(BARE, Echo, request),
        drive.subject(TOWER_CONCURRENCY, ConcurrencyLimit::new(Echo, 20), request),
        drive.subject(ADAPTIVE, adaptive.layer(Echo), request),
        drive.subject(
            "tower-resilience bulkhead",
            bulkhead.expect("not zero").layer(Echo),
            request,
        ),
        drive.subject("little-loadshedder", shedder.layer(Echo), request),
        drive.subject(
            "tower-acc",
            ConcurrencyLimitLayer::new(Gradient2::default()).layer(Echo),
            request,
        ),
    ]
}
