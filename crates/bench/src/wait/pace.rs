//! Tasks that wait again and again, so that the line never empties.

use std::{sync::Arc, time::Duration};

use cpu_time::ProcessTime;
use tokio::{runtime::Runtime, time::sleep};

use crate::{
    args::{Effort, Group},
    ours,
    report::{Row, Target},
    rounds::{nanos_per, rotated},
    stats::{median, paired},
};

use super::{
    crowd::Contender,
    current_thread,
    log::Log,
    peers::{self, SEMAPHORE},
    score::{longest_pause, overtakers, slope_error},
    two_workers,
};

const WAITERS: usize = 10_000;
const RATES: [u32; 3] = [1_000, 50_000, 500_000];

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let on_one = RATES.map(|rate| Case { rate, workers: 1 });
    let on_two = RATES.map(|rate| Case { rate, workers: 2 });
    let all = on_one.into_iter().chain(on_two);
    let wanted = |case: &Case| effort.every_combination || case.workers == 1 || case.rate == 50_000;
    all.filter(wanted)
        .flat_map(|case| case.rows(effort))
        .collect()
}

/// Limiters of one rate on one kind of runtime.
struct Case {
    rate: u32,
    workers: usize,
}

impl Case {
    fn rows(&self, effort: &Effort) -> Vec<Row> {
        let contenders = peers::wanted(effort.every_combination);
        let mut runs = vec![Vec::new(); contenders.len()];
        for round in 0..effort.windows {
            for i in rotated(contenders.len(), round) {
                eprintln!("          {}: {}", self.name(), contenders[i].name);
                runs[i].push(self.run(&contenders[i], effort));
            }
        }
        let yardstick = cpu(&runs[0]);
        let rows = contenders.iter().zip(&runs);
        rows.map(|(contender, runs)| self.row(contender.name, runs, &yardstick))
            .collect()
    }

    fn row(&self, name: &'static str, runs: &[Run], yardstick: &[f64]) -> Row {
        let of = |f: fn(&Run) -> f64| median(runs.iter().map(f));
        let ratio = paired(&cpu(runs), yardstick, |a, b| a / b);
        let (error, overtakers) = (of(|run| run.slope_error), of(|run| run.overtakers));
        Row::new(Group::Wait, &self.name(), name)
            .ns(of(|run| run.cpu))
            .ratio(ratio, SEMAPHORE)
            .allocs((self.workers == 1).then(|| of(|run| run.allocs)))
            .figure("slope_error_%", error)
            .figure("longest_pause_ms", of(|run| run.longest_pause))
            .figure("overtakers_%", overtakers)
            .targets(self.targets(name, ratio, error, overtakers))
    }

    /// With two workers only the rate: there the order of the log is not that of the grants.
    fn targets(&self, name: &str, ratio: f64, error: f64, overtakers: f64) -> Vec<Target> {
        if !ours::is_ours(name) {
            return Vec::new();
        }
        let mut targets = vec![Target::at_most("% slope error", error.abs(), 0.1)];
        if self.workers == 1 {
            targets.push(Target::at_most("% overtakers", overtakers, 0.0));
        }
        if self.workers == 1 && self.rate > 1_000 {
            targets.push(Target::at_most("x Semaphore", ratio, 1.5).stretch(1.2));
        }
        targets
    }

    fn name(&self) -> String {
        let runtime = if self.workers == 1 {
            "current_thread"
        } else {
            "multi_thread(2)"
        };
        format!("{}k/s, {runtime}", self.rate / 1000)
    }

    fn runtime(&self) -> Runtime {
        if self.workers == 1 {
            current_thread()
        } else {
            two_workers()
        }
    }

    fn run(&self, contender: &Contender, effort: &Effort) -> Run {
        let runtime = self.runtime();
        let log = Arc::new(self.log(effort));
        let mut window = None;
        allocation_counter::opt_out(|| {
            window = Some(runtime.block_on(self.measure(contender, &log, effort)));
        });
        let allocs = allocations_per_grant(&runtime, &log, effort.warm_up);
        drop(runtime);
        let window = window.expect("it was measured");
        window.run(&log, self.rate, allocs)
    }

    /// With room for all that may come, and for a limiter that lets a tenth too many through.
    fn log(&self, effort: &Effort) -> Log {
        let time = effort.warm_up * 2 + effort.window;
        let due = u128::from(self.rate) * time.as_millis() / 1000;
        let due = usize::try_from(due).unwrap_or(usize::MAX);
        Log::new(due + due / 10 + WAITERS, self.rate)
    }

    async fn measure(&self, contender: &Contender, log: &Arc<Log>, effort: &Effort) -> Window {
        let limiter = (contender.limiter)(self.rate);
        for _ in 0..WAITERS {
            limiter.spawn_regular(log);
        }
        sleep(effort.warm_up).await;
        let (from, cpu) = (log.granted(), ProcessTime::now());
        sleep(effort.window).await;
        Window {
            from,
            to: log.granted(),
            cpu: cpu.elapsed(),
        }
    }
}

/// Grants that were looked at, and the CPU time that passed meanwhile.
struct Window {
    from: usize,
    to: usize,
    cpu: Duration,
}

impl Window {
    fn run(&self, log: &Log, rate: u32, allocs: f64) -> Run {
        let grants = u64::try_from(self.to - self.from).unwrap_or(u64::MAX);
        let stamps = log.stamps(self.from, self.to);
        Run {
            cpu: nanos_per(self.cpu, grants),
            allocs,
            slope_error: slope_error(&stamps, rate),
            longest_pause: longest_pause(&stamps),
            overtakers: overtakers(log.tickets(), self.from),
        }
    }
}

/// What one limiter did in one window.
#[derive(Clone)]
struct Run {
    /// Nanoseconds for each grant.
    cpu: f64,
    allocs: f64,
    /// Percent.
    slope_error: f64,
    /// Milliseconds.
    longest_pause: f64,
    /// Percent.
    overtakers: f64,
}

fn cpu(runs: &[Run]) -> Vec<f64> {
    runs.iter().map(|run| run.cpu).collect()
}

/// Counted apart from the window, so that counting isn't timed, and on this thread only.
fn allocations_per_grant(runtime: &Runtime, log: &Log, time: Duration) -> f64 {
    let before = log.granted();
    let counted = allocation_counter::measure(|| runtime.block_on(async { sleep(time).await }));
    counted.count_total as f64 / (log.granted() - before) as f64
}
