//! What a waiter occupies, over a task that is parked for no reason.

use std::time::Duration;

use allocation_counter::AllocationInfo;
use tokio::time::sleep;

use crate::{
    args::{Effort, Group},
    ours,
    report::{Row, Target},
};

use super::{
    crowd::{Contender, PARKED, gather},
    current_thread, peers,
};

const WAITERS: usize = 10_000;

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let parked = occupied(&PARKED);
    let contenders = peers::wanted(effort.every_combination);
    contenders
        .iter()
        .map(|contender| row(contender.name, occupied(contender), parked))
        .collect()
}

fn row(name: &'static str, waiting: AllocationInfo, parked: AllocationInfo) -> Row {
    let each = |count: f64| count / WAITERS as f64;
    let allocs = each(waiting.count_total as f64 - parked.count_total as f64);
    let bytes = each(waiting.bytes_current as f64 - parked.bytes_current as f64);
    Row::new(Group::Memory, "10k waiters, over parked tasks", name)
        .allocs(Some(allocs))
        .figure("bytes_per_waiter", bytes)
        .figure("bytes_of_parked_task", each(parked.bytes_current as f64))
        .targets(targets(name, allocs, bytes))
}

fn targets(name: &str, allocs: f64, bytes: f64) -> Vec<Target> {
    if !ours::is_ours(name) {
        return Vec::new();
    }
    // A hundredth for the growth of what all waiters share.
    vec![
        Target::at_most("bytes", bytes, 128.0),
        Target::at_most("allocations", allocs, 1.01),
    ]
}

/// What tasks occupy that wait for a token which comes in a while.
fn occupied(contender: &Contender) -> AllocationInfo {
    let runtime = current_thread();
    let limiter = runtime.block_on(async { (contender.limiter)(1) });
    allocation_counter::measure(|| {
        runtime.block_on(async {
            drop(gather(&*limiter, WAITERS).await);
            sleep(Duration::from_millis(20)).await;
        });
    })
}
