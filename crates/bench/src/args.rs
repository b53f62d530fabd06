//! What to measure, and how hard to try.

use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde::Serialize;

/// Compares tower-throttle with its peers in one run: interleaved, paired, medians and ratios.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Fewer rounds, shorter windows, fewer combinations: ends within a minute.
    #[arg(long)]
    quick: bool,

    /// Print JSON instead of tables.
    #[arg(long)]
    pub(crate) json: bool,

    /// Measure only this group; may be given several times. Default: all.
    #[arg(long = "group", value_enum, value_name = "GROUP")]
    groups: Vec<Group>,
}

impl Args {
    pub(crate) fn effort(&self) -> Effort {
        if self.quick {
            Effort::QUICK
        } else {
            Effort::FULL
        }
    }

    pub(crate) fn groups(&self) -> Vec<Group> {
        let asked = |group: &Group| self.groups.is_empty() || self.groups.contains(group);
        let all = Group::value_variants().iter().copied();
        all.filter(asked).collect()
    }
}

/// A part of the comparison that can be run on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Group {
    /// Bare admission, while there are tokens.
    Admission,
    /// A call through a tower service, while there are tokens.
    Call,
    /// A call through a service that limits what is in flight, far below its limit.
    Concurrency,
    /// The waiting path: rate, CPU per grant, order, allocations per grant.
    Wait,
    /// What a waiter occupies.
    Memory,
    /// What it costs to give up waiting, and what comes after.
    Cancel,
}

impl Group {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Call => "call",
            Self::Concurrency => "concurrency",
            Self::Wait => "wait",
            Self::Memory => "memory",
            Self::Cancel => "cancel",
        }
    }

    /// What the nanoseconds and allocations of its rows are.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Admission => "ns and allocations for each admission",
            Self::Call | Self::Concurrency => "ns over no layer and allocations, for each call",
            Self::Wait => "CPU ns and allocations for each grant",
            Self::Memory => "live bytes, and allocations made, for each waiter",
            Self::Cancel => "ns for each waiter that gives up",
        }
    }
}

/// How many rounds, how long.
#[derive(Debug)]
pub(crate) struct Effort {
    /// Rounds of `admission` and `call`, and how long each row runs in a round.
    pub(crate) rounds: usize,
    pub(crate) batch: Duration,
    /// Rounds of `wait`, and how long the measured window and the time before it are.
    pub(crate) windows: usize,
    pub(crate) window: Duration,
    pub(crate) warm_up: Duration,
    /// Whether `wait` includes every rate on every runtime, and the coarse forms of the peers.
    pub(crate) every_combination: bool,
    /// Rounds of `cancel`, and how many give up at once.
    pub(crate) cancellations: usize,
    pub(crate) crowds: &'static [usize],
}

impl Effort {
    const FULL: Self = Self {
        rounds: 61,
        batch: Duration::from_millis(2),
        windows: 5,
        window: Duration::from_millis(1200),
        warm_up: Duration::from_millis(300),
        every_combination: true,
        cancellations: 9,
        crowds: &[1_000, 10_000, 100_000],
    };

    const QUICK: Self = Self {
        rounds: 21,
        batch: Duration::from_millis(1),
        windows: 1,
        window: Duration::from_millis(500),
        warm_up: Duration::from_millis(150),
        every_combination: false,
        cancellations: 3,
        crowds: &[1_000, 10_000],
    };
}
