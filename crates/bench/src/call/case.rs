//! Services that are called interleaved, and compared within each round.

use crate::{
    args::{Effort, Group},
    ours,
    report::{Row, Target},
    rounds::{Subject, interleave},
    stats::{least, median, paired},
};

/// The first subject: the service without a layer.
pub(crate) const BARE: &str = "no layer";

/// Subjects that run interleaved; the first is the service without a layer.
pub(crate) struct Case {
    pub(crate) group: Group,
    pub(crate) name: &'static str,
    pub(crate) yardstick: &'static str,
    pub(crate) subjects: Vec<Subject>,
    /// What we want of our own rows, by their names and allocations.
    pub(crate) targets: Box<Targets>,
}

pub(crate) type Targets = dyn Fn(&'static str, &Over, f64) -> Vec<Target>;

impl Case {
    pub(crate) fn rows(mut self, effort: &Effort) -> Vec<Row> {
        eprintln!("          {}", self.name);
        let allocs: Vec<_> = self.subjects.iter_mut().map(Subject::allocations).collect();
        let samples = interleave(&mut self.subjects, effort.rounds, effort.batch);
        let over = Over::bare(&self.subjects, &samples);
        let row = |i: usize| {
            let name = self.subjects[i].name;
            let row = Row::new(self.group, self.name, name).allocs(Some(allocs[i]));
            if name == BARE {
                return row.ns(median(samples[i].iter().copied()));
            }
            row.ns(over.median(name))
                .ratio(over.ratio(name, self.yardstick), self.yardstick)
                .figure("ns_min", least(&samples[i]) - least(&samples[0]))
                .targets(self.targets_of(name, &over, allocs[i]))
        };
        (0..samples.len()).map(row).collect()
    }

    fn targets_of(&self, name: &'static str, over: &Over, allocs: f64) -> Vec<Target> {
        if ours::is_ours(name) {
            (self.targets)(name, over, allocs)
        } else {
            Vec::new()
        }
    }
}

/// Nanoseconds over the service without a layer, by subject and round.
pub(crate) struct Over(Vec<(&'static str, Vec<f64>)>);

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

    pub(crate) fn median(&self, name: &str) -> f64 {
        median(self.of(name).iter().copied())
    }

    pub(crate) fn ratio(&self, name: &str, to: &str) -> f64 {
        paired(self.of(name), self.of(to), |a, b| a / b)
    }
}
