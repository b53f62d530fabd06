//! The worlds that the stkai SDK's own simulation is about, so that figures can be laid side by side.
//!
//! One server with a quota per fixed window of a minute, the first of which begins with the first
//! request; a 429 comes after 10 ms and says `Retry-After: 5`, whenever the window really ends. The
//! fuller the window, the slower: `base / (1 - min(used share, 0.95)) · U(0.8, 1.2)`. Processes have
//! workers, each of whom thinks for an exponentially distributed time, sends, and waits for the end.
//!
//! Source: stkai-sdk-python, `simulations/`, with its defects known; see the [`published
//! figures`](Reference).

mod outcome;
mod published;

use std::{str::FromStr, time::Duration};

use serde::Serialize;

pub use self::outcome::Outcome;
use crate::{
    client::Load,
    run::Config,
    server::Kind,
    strategy::Strategy,
    wire::{Hint, Latency, Spread},
};

/// Which world it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Short calls: 100 per minute, 0.2 s, five minutes; each process has 1000 to make, with 8 workers.
    Rqc,
    /// Long calls: 50 per minute, 15 s, ten minutes; each process has 150 to make, with 10 workers.
    Agent,
}

/// What is known about one strategy at one number of processes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reference {
    /// As the SDK's simulation gives it.
    pub published: Outcome,
    /// With the SDK's real retries and waits in place of the simulation's.
    pub corrected: Outcome,
}

impl Scenario {
    /// The world with so many processes.
    #[must_use]
    pub fn config(self, processes: u32, strategy: Strategy) -> Config {
        let world = self.world();
        Config {
            server: Kind::Anchored,
            quota: world.quota,
            window: Duration::from_secs(60),
            hint: Hint::Constant(5),
            latency: Some(Latency {
                base: world.base,
                spread: Spread::Uniform(0.2),
                crowded: true,
            }),
            refusal: Duration::from_millis(10),
            clients: processes,
            workers: Some(world.workers),
            load: Load::Think(world.think),
            windows: world.minutes,
            warmup: 0,
            ..Config::new(strategy)
        }
    }

    /// The numbers of processes that there are figures for.
    #[must_use]
    pub fn processes(self) -> Vec<u32> {
        let mut processes: Vec<_> = self.rows().iter().map(|row| row.0).collect();
        processes.dedup();
        processes
    }

    /// The names of the strategies that there are figures for.
    #[must_use]
    pub fn strategies(self) -> Vec<&'static str> {
        let first = self.rows().first().map_or(0, |row| row.0);
        let rows = self.rows().iter().filter(|row| row.0 == first);
        rows.map(|row| row.1).collect()
    }

    /// What is known, if anything.
    #[must_use]
    pub fn reference(self, processes: u32, strategy: &str) -> Option<Reference> {
        let mut rows = self.rows().iter();
        let row = rows.find(|row| (row.0, row.1) == (processes, strategy))?;
        Some(Reference {
            published: Outcome::known(row.2),
            corrected: Outcome::known(row.3),
        })
    }

    const fn rows(self) -> &'static [published::Row] {
        match self {
            Self::Rqc => published::RQC,
            Self::Agent => published::AGENT,
        }
    }

    const fn world(self) -> World {
        match self {
            Self::Rqc => World {
                quota: 100,
                base: Duration::from_millis(200),
                workers: 8,
                think: Duration::from_millis(2400),
                minutes: 5,
            },
            Self::Agent => World {
                quota: 50,
                base: Duration::from_secs(15),
                workers: 10,
                think: Duration::from_secs(40),
                minutes: 10,
            },
        }
    }
}

/// What the worlds differ in.
struct World {
    quota: u32,
    base: Duration,
    workers: u32,
    think: Duration,
    minutes: u32,
}

/// `rqc` or `agent`.
impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rqc" => Ok(Self::Rqc),
            "agent" => Ok(Self::Agent),
            _ => Err("not rqc or agent".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_figure_for_every_strategy_at_every_number_of_processes() {
        for scenario in [Scenario::Rqc, Scenario::Agent] {
            for processes in scenario.processes() {
                for strategy in scenario.strategies() {
                    assert!(scenario.reference(processes, strategy).is_some());
                }
            }
        }
        assert_eq!(Scenario::Rqc.processes(), [1, 2, 3, 5, 7, 10]);
        assert_eq!(Scenario::Agent.processes(), [1, 5, 7, 10, 15]);
    }

    #[test]
    fn the_figures_are_in_the_right_columns() {
        let reference = Scenario::Rqc
            .reference(10, "stkai-sdk:conservative")
            .unwrap();
        assert_eq!(reference.published.success.to_string(), "0.943");
        assert_eq!(reference.corrected.rejected_share.to_string(), "0.282");
        assert_eq!(reference.corrected.per_minute.to_string(), "100");
        assert_eq!(reference.corrected.p95_s.to_string(), "122.5");
    }
}
