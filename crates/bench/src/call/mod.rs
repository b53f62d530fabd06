//! A call through a tower service (ready, call, await) over an echo, while there are tokens.

mod drive;
mod echo;
mod peers;

use std::{num::NonZeroUsize, thread::available_parallelism};

use crate::{
    args::{Effort, Group},
    ours,
    report::{Row, Target},
    rounds::{Subject, interleave},
    stats::{least, median, paired},
};

use self::{
    drive::{Alone, Contended},
    echo::{number, request},
};

pub(crate) use self::{drive::Drive, echo::Echo};

const NUMBERS: &str = "1 thread";
const BARE: &str = "no layer";
const TOWER_RATE: &str = "tower RateLimit";
const TOWER_CONCURRENCY: &str = "tower ConcurrencyLimit";
const RESILIENCE: &str = "tower-resilience";

pub(crate) fn rows(effort: &Effort) -> Vec<Row> {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    let mut cases = one_thread();
    if cores >= 2 {
        cases.extend(two_threads());
    }
    cases
        .into_iter()
        .flat_map(|case| case.rows(effort))
        .collect()
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
        Case {
            name: NUMBERS,
            yardstick: TOWER_RATE,
            subjects: numbers,
        },
        Case {
            name: "1 thread, http",
            yardstick: TOWER_RATE,
            subjects: http,
        },
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
        Case {
            name: "2 threads",
            yardstick: TOWER_CONCURRENCY,
            subjects: numbers,
        },
        Case {
            name: "2 threads, http",
            yardstick: TOWER_CONCURRENCY,
            subjects: http,
        },
    ]
}

/// Subjects that run interleaved; the first is the service without a layer.
struct Case {
    name: &'static str,
    yardstick: &'static str,
    subjects: Vec<Subject>,
}

impl Case {
    fn rows(mut self, effort: &Effort) -> Vec<Row> {
        eprintln!("          {}", self.name);
        let allocs: Vec<_> = self.subjects.iter_mut().map(Subject::allocations).collect();
        let samples = interleave(&mut self.subjects, effort.rounds, effort.batch);
        let over = Over::bare(&self.subjects, &samples);
        let row = |i: usize| {
            let name = self.subjects[i].name;
            let row = Row::new(Group::Call, self.name, name).allocs(allocs[i]);
            if name == BARE {
                return row.ns(median(samples[i].iter().copied()));
            }
            row.ns(over.median(name))
                .ratio(over.ratio(name, self.yardstick), self.yardstick)
                .figure("ns_min", least(&samples[i]) - least(&samples[0]))
                .targets(self.targets(name, &over, allocs[i]))
        };
        (0..samples.len()).map(row).collect()
    }

    /// Of our rows on one thread. The one over `RateLimit` is for the echo of numbers: what building
    /// an HTTP request and the layer's work overlap in is not the layer's merit.
    fn targets(&self, name: &str, over: &Over, allocs: Option<f64>) -> Vec<Target> {
        let Some(allocs) = allocs.filter(|_| ours::is_ours(name)) else {
            return Vec::new();
        };
        let cheaper = over.ratio(RESILIENCE, name);
        let mut targets = vec![
            Target::at_least("x cheaper than tower-resilience", cheaper, 2.7),
            Target::at_most("allocations", allocs, 0.0),
        ];
        if self.name == NUMBERS {
            let (limit, stretch) = if name == ours::BACKPRESSURE {
                (1.75, 1.3)
            } else {
                (2.0, 1.6)
            };
            let ratio = over.ratio(name, TOWER_RATE);
            targets.push(Target::at_most("x tower RateLimit", ratio, limit).stretch(stretch));
        }
        targets
    }
}

/// Nanoseconds over the service without a layer, by subject and round.
struct Over(Vec<(&'static str, Vec<f64>)>);

impl Over {
    fn bare(subjects: &[Subject], samples: &[Vec<f64>]) -> Self {
        let over = |ns: &[f64]| ns.iter().zip(&samples[0]).map(|(a, b)| a - b).collect();
        let named = subjects
            .iter()
            .zip(samples)
            .map(|(s, ns)| (s.name, over(ns)));
        Self(named.collect())
    }

    fn of(&self, name: &str) -> &[f64] {
        let found = self.0.iter().find(|(other, _)| *other == name);
        found.map_or(&[], |(_, over)| over)
    }

    fn median(&self, name: &str) -> f64 {
        median(self.of(name).iter().copied())
    }

    fn ratio(&self, name: &str, to: &str) -> f64 {
        paired(self.of(name), self.of(to), |a, b| a / b)
    }
}
