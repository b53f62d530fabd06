//! Giving up: a whole crowd that waits is aborted, and one waiter behind it is not.

use std::time::{Duration, Instant};

use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    args::{Effort, Group},
    ours,
    report::{Row, Target},
    rounds::{nanos_per, rotated},
    stats::{median, paired},
};

use super::{
    crowd::{Contender, PARKED, gather},
    current_thread, peers,
};

/// Grants a second: the next is due within a millisecond.
const RATE: u32 = 1_000;

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let mut contenders = peers::wanted(effort.every_combination);
    contenders.insert(0, PARKED);
    let mut rows: Vec<Row> = Vec::new();
    for &crowd in effort.crowds {
        let name = format!("{}k give up", crowd / 1000);
        eprintln!("          {name}");
        let runs = runs(&contenders, crowd, effort);
        let parked = nanos(&runs[0]);
        for (contender, runs) in contenders.iter().zip(&runs) {
            let least = rows.iter().find(|row| row.name == contender.name);
            let row = row(
                Row::new(Group::Cancel, &name, contender.name),
                runs,
                &parked,
            );
            let targets = targets(&row, least);
            rows.push(row.targets(targets));
        }
    }
    rows
}

fn runs(contenders: &[Contender], crowd: usize, effort: &Effort) -> Vec<Vec<Run>> {
    let mut runs = vec![Vec::new(); contenders.len()];
    for round in 0..effort.cancellations {
        for i in rotated(contenders.len(), round) {
            runs[i].push(run(&contenders[i], crowd));
        }
    }
    runs
}

fn row(row: Row, runs: &[Run], parked: &[f64]) -> Row {
    let row = row
        .ns(median(nanos(runs)))
        .ratio(paired(&nanos(runs), parked, |a, b| a / b), PARKED.name);
    let next: Vec<f64> = runs.iter().filter_map(|run| run.next).collect();
    if next.is_empty() {
        row
    } else {
        row.figure("next_grant_ms", median(next))
    }
}

/// Flat is: as dear among many as among few, but for the caches. `fewest` is the row of the smallest
/// crowd. On time is: a slot of 1 ms, and a timer that is up to 2 ms late.
fn targets(row: &Row, fewest: Option<&Row>) -> Vec<Target> {
    if !ours::is_ours(row.name) {
        return Vec::new();
    }
    let next = row
        .figures
        .get("next_grant_ms")
        .copied()
        .unwrap_or(f64::NAN);
    let mut targets = vec![Target::at_most("ms to the next grant", next, 3.0)];
    if let Some((ns, fewest)) = row.ns.zip(fewest.and_then(|row| row.ns)) {
        targets.push(Target::at_most(
            "x the cost in a crowd of 1k",
            ns / fewest,
            3.0,
        ));
    }
    targets
}

/// What one crowd did.
#[derive(Clone)]
struct Run {
    /// Nanoseconds for each that gave up.
    cancel: f64,
    /// Milliseconds from the last that gave up to the grant of the one that stayed.
    next: Option<f64>,
}

fn nanos(runs: &[Run]) -> Vec<f64> {
    runs.iter().map(|run| run.cancel).collect()
}

fn run(contender: &Contender, crowd: usize) -> Run {
    let mut run = None;
    allocation_counter::opt_out(|| {
        run = Some(current_thread().block_on(give_up(contender, crowd)));
    });
    run.expect("it ran")
}

async fn give_up(contender: &Contender, crowd: usize) -> Run {
    let limiter = (contender.limiter)(RATE);
    let waiters = gather(&*limiter, crowd).await;
    let stays = gather(&*limiter, 1).await;
    sleep(Duration::from_millis(5)).await;
    let start = Instant::now();
    abort(waiters).await;
    let end = Instant::now();
    let count = u64::try_from(crowd).unwrap_or(u64::MAX);
    let cancel = nanos_per(end - start, count);
    let next = if contender.name == PARKED.name {
        None
    } else {
        Some(wait(stays, end).await)
    };
    Run { cancel, next }
}

/// Milliseconds from `start` until they are through, at most two seconds.
async fn wait(waiters: Vec<JoinHandle<()>>, start: Instant) -> f64 {
    for waiter in waiters {
        // Whoever isn't through by then is reported as waiting so long.
        let _ = timeout(Duration::from_secs(2), waiter).await;
    }
    start.elapsed().as_secs_f64() * 1e3
}

/// Returns when all are gone.
async fn abort(tasks: Vec<JoinHandle<()>>) {
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        // An error says that it was aborted, which is what was wanted.
        let _ = task.await;
    }
}
