use std::time::Duration;

use super::{Case, Check};
use crate::{
    Scenario, Strategy,
    run::{Change, Config, What},
    server::Kind,
};

/// What must hold for a strategy that looks for a rate, and, at the end, for the classic one.
#[must_use]
pub fn rate(strategy: Strategy) -> Vec<Case> {
    let mut cases = steady(strategy);
    cases.extend(changing(strategy));
    cases.extend(reference(strategy));
    cases
}

fn steady(strategy: Strategy) -> Vec<Case> {
    let small = Config::new(strategy);
    let large = large(strategy);
    let on = |server, config: &Config| Config {
        server,
        ..config.clone()
    };
    [
        (
            "fixed window 100/60 s, 10 clients",
            small,
            [98.5, 2.5, 0.88],
        ),
        (
            "fixed 1000/10 s, 10 clients",
            large.clone(),
            [99.0, 0.3, 0.98],
        ),
        (
            "fixed 1000/10 s, 50 clients",
            crowd(&large),
            [99.0, 1.2, 0.91],
        ),
        (
            "sliding 1000/10 s, 10 clients",
            on(Kind::Sliding, &large),
            [99.0, 0.35, 0.95],
        ),
        (
            "token bucket 1000/10 s, burst 100, 10 clients",
            on(Kind::Bucket(100), &large),
            [99.5, 0.35, 0.94],
        ),
    ]
    .map(|(name, config, targets)| settled(name, config, targets))
    .into()
}

fn large(strategy: Strategy) -> Config {
    Config {
        quota: 1000,
        window: Duration::from_secs(10),
        ..Config::new(strategy)
    }
}

fn crowd(config: &Config) -> Config {
    Config {
        clients: 50,
        ..config.clone()
    }
}

fn settled(name: &'static str, config: Config, [used, rejected, fair]: [f64; 3]) -> Case {
    Case {
        name,
        config,
        checks: vec![
            Check::used(used),
            Check::rejected(rejected),
            Check::fair(fair),
        ],
        rival: known("stkai:balanced"),
    }
}

fn changing(strategy: Strategy) -> Vec<Case> {
    let base = Config::new(strategy);
    let changed = |quota, what| Config {
        quota,
        changes: vec![Change {
            at: base.window * 30,
            what,
        }],
        ..base.clone()
    };
    let case = |name, config, check| Case {
        name,
        config,
        checks: vec![check],
        rival: known("stkai:balanced"),
    };
    vec![
        case(
            "3 of 10 clients leave, fixed 100/60 s",
            changed(100, What::Leave(3)),
            Check::reclaimed(8.0),
        ),
        case(
            "the quota halves from 200 to 100/60 s, 10 clients",
            changed(200, What::Size(100)),
            Check::rejected_after_change(25.0),
        ),
    ]
}

/// No limit on waiting, and the start counts.
fn reference(strategy: Strategy) -> Vec<Case> {
    let case = |name, config, checks| Case {
        name,
        config,
        checks,
        rival: known("stkai-sdk:balanced"),
    };
    let mut cases = vec![
        case(
            "rqc, 10 processes",
            Scenario::Rqc.config(10, strategy),
            vec![
                Check::success(99.0),
                Check::rejected_share(12.0),
                Check::per_minute(92.0),
                Check::none_lost(),
            ],
        ),
        case(
            "agent, 15 processes",
            Scenario::Agent.config(15, strategy),
            vec![
                Check::success(99.0),
                Check::rejected_share(15.0),
                Check::per_minute(38.0),
                Check::none_lost(),
            ],
        ),
    ];
    cases.extend(known("aimd:conservative").map(classic));
    cases
}

fn classic(strategy: Strategy) -> Case {
    Case {
        name: "rqc, 10 processes, classic (`aimd:conservative`)",
        config: Scenario::Rqc.config(10, strategy),
        checks: vec![
            Check::success(98.0),
            Check::rejected_share(14.0),
            Check::none_lost(),
        ],
        rival: known("stkai-sdk:conservative"),
    }
}

fn known(name: &str) -> Option<Strategy> {
    name.parse().ok()
}
