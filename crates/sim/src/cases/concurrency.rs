use std::time::Duration;

use crate::{
    Strategy,
    client::Load,
    run::{Change, Config, What},
    server::Kind,
};

/// A situation in which a limit on the concurrency is compared with the best one that never moves.
#[derive(Debug, Clone)]
pub struct Contest {
    /// What it is called.
    pub name: String,
    /// What is simulated; what is measured begins 30 s after the last change.
    pub config: Config,
}

/// All of them: each kind of server, and each change, with 1, 4 and 10 clients.
#[must_use]
pub fn concurrency(strategy: Strategy) -> Vec<Contest> {
    let crowds = [1, 4, 10].into_iter().flat_map(|clients| {
        SITUATIONS
            .iter()
            .map(move |(name, server, changes)| Contest {
                name: format!("{name}, N = {clients}"),
                config: config(strategy, *server, clients, changes),
            })
    });
    let quiet = Contest {
        name: "slots:20, 1 request/s, N = 1".to_owned(),
        config: Config {
            load: Load::Poisson(0.04),
            ..config(strategy, Kind::Slots(20), 1, &[])
        },
    };
    crowds.chain([quiet]).collect()
}

/// What it is called, the server, and what changes after how many seconds.
type Situation = (&'static str, Kind, &'static [(u64, What)]);

const SITUATIONS: [Situation; 6] = [
    ("slots:20", Kind::Slots(20), &[]),
    (
        "slots:20, halved",
        Kind::Slots(20),
        &[(300, What::Size(10))],
    ),
    (
        "slots:20, halved and back",
        Kind::Slots(20),
        &[(300, What::Size(10)), (450, What::Size(20))],
    ),
    (
        "slots:20, three times slower",
        Kind::Slots(20),
        &[(300, What::Latency(3.0))],
    ),
    ("queue:20", Kind::Queueing(20), &[]),
    (
        "queue:20, three times slower",
        Kind::Queueing(20),
        &[(300, What::Latency(3.0))],
    ),
];

/// Windows of 10 s: 5 minutes and a half to settle, or 30 s after the last change, then 3 minutes.
fn config(strategy: Strategy, server: Kind, clients: u32, changes: &[(u64, What)]) -> Config {
    let last = changes.last().map_or(300, |&(at, _)| at);
    let warmup = u32::try_from((last + 30) / 10).unwrap_or(u32::MAX);
    let changes = changes.iter().map(|&(at, what)| Change {
        at: Duration::from_secs(at),
        what,
    });
    Config {
        server,
        clients,
        window: Duration::from_secs(10),
        warmup,
        windows: warmup + 18,
        changes: changes.collect(),
        ..Config::new(strategy)
    }
}
