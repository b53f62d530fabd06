//! What holds of every run.

use std::time::Duration;

use tower_throttle_sim::{
    Config, Figures, Run, Scenario, Strategy,
    client::{End, Load},
    each_seed,
    run::{Change, What},
    server::Kind,
    wire::Hint,
};

/// A run that takes no time: 20 requests per 10 s, four clients.
fn short(strategy: &str) -> Config {
    Config {
        quota: 20,
        window: Duration::from_secs(10),
        clients: 4,
        workers: Some(4),
        windows: 8,
        warmup: 2,
        ..Config::new(strategy.parse().unwrap())
    }
}

fn run(config: &Config) -> Run {
    tower_throttle_sim::run(config, 7, |_| ())
}

/// All that can be written on a command line, the numbers filled in.
fn strategies() -> Vec<String> {
    let names = Strategy::all().map(|(name, _)| name.replace("LIMIT", "3"));
    names.collect()
}

fn total(rows: &[Vec<u32>]) -> u32 {
    rows.iter().flatten().sum()
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for strategy in strategies() {
        let config = short(&strategy);
        assert_eq!(run(&config), run(&config), "{strategy}");
    }
}

#[test]
fn another_seed_gives_another_run() {
    let config = short("adaptive");
    let runs = each_seed(&config, 3, |run| run.requests, || ());
    assert!(runs[0] != runs[1] && runs[1] != runs[2]);
}

#[test]
fn the_seeds_come_back_in_order_whatever_the_threads_do() {
    let config = short("none");
    let runs = each_seed(&config, 4, |run| run.requests, || ());
    for (seed, requests) in (1..).zip(runs) {
        let alone = tower_throttle_sim::run(&config, seed, |_| ());
        assert_eq!(alone.requests, requests, "{seed}");
    }
}

#[test]
fn nothing_is_lost_whatever_the_strategy_the_server_and_the_hint() {
    let servers = [
        Kind::Fixed,
        Kind::Anchored,
        Kind::Sliding,
        Kind::Bucket(5),
        Kind::Slots(4),
        Kind::Queueing(4),
    ];
    // `stkai` may wait for ever: see below.
    for strategy in strategies()
        .iter()
        .filter(|name| !name.starts_with("stkai:"))
    {
        for server in servers {
            for hint in [Hint::None, Hint::RetryAfter, Hint::Remaining] {
                let config = Config {
                    server,
                    hint,
                    windows: 4,
                    warmup: 1,
                    ..short(strategy)
                };
                assert_eq!(run(&config).lost, 0, "{strategy}, {server}, {hint}");
            }
        }
    }
}

/// stkai's: its bucket holds as much as its rate gives per window, and below one request it gives none.
#[test]
fn a_share_of_less_than_a_request_wedges_the_published_law_and_not_ours() {
    let config = |strategy| Config {
        server: Kind::Bucket(5),
        ..short(strategy)
    };
    assert!(run(&config("stkai:conservative")).lost > 0);
    assert_eq!(run(&config("aimd:conservative")).lost, 0);
}

#[test]
fn nothing_is_lost_whatever_the_load() {
    for load in [
        Load::Saturated,
        Load::Poisson(1.3),
        Load::Bursty(0.7),
        Load::OnOff(1),
        Load::Batch(2.0),
        Load::Think(Duration::from_secs(1)),
    ] {
        let config = Config {
            load,
            ..short("adaptive")
        };
        let run = run(&config);
        assert_eq!(run.lost, 0, "{load}");
        assert!(total(&run.series.accepted) > 0, "{load}");
    }
}

#[test]
fn the_quota_is_kept_whatever_the_strategy() {
    for strategy in strategies() {
        let config = short(&strategy);
        let run = run(&config);
        // The run may touch a window more than it is long.
        assert!(total(&run.series.accepted) <= 20 * 9, "{strategy}");
    }
}

#[test]
fn what_the_server_let_in_is_what_the_clients_got() {
    let config = Config {
        load: Load::Batch(3.0),
        windows: 30,
        ..short("none")
    };
    let run = run(&config);
    let succeeded = run
        .requests
        .iter()
        .filter(|request| request.end == End::Succeeded);
    let succeeded = u32::try_from(succeeded.count()).unwrap();

    assert_eq!(total(&run.series.accepted), succeeded);
    assert_eq!(run.trips.len(), succeeded as usize);
    // Every request of the batch ends in one way or another.
    assert_eq!(run.requests.len(), 60);
}

#[test]
fn no_request_ends_before_it_starts() {
    for request in run(&short("none")).requests {
        assert!(request.started <= request.ended);
    }
}

#[test]
fn a_client_that_leaves_takes_its_requests_with_it() {
    let config = Config {
        changes: vec![Change {
            at: Duration::from_secs(30),
            what: What::Leave(1),
        }],
        ..short("adaptive")
    };
    let run = run(&config);
    let left: Vec<_> = run
        .requests
        .iter()
        .filter(|request| request.client == 0)
        .collect();
    let abandoned = left.iter().filter(|request| request.end == End::Abandoned);

    assert_eq!(abandoned.count(), 4);
    assert!(
        left.iter()
            .all(|request| request.ended <= Duration::from_secs(30))
    );
    assert!(
        run.requests
            .iter()
            .all(|request| request.client == 0 || request.end != End::Abandoned)
    );
}

#[test]
fn a_client_that_joins_has_a_row_from_the_start() {
    let config = Config {
        changes: vec![Change {
            at: Duration::from_secs(40),
            what: What::Join(1),
        }],
        ..short("share-of-n")
    };
    let rows = run(&config).series.accepted;
    let before: u32 = rows[4].iter().take(80).sum();
    let after: u32 = rows[4].iter().skip(80).sum();

    assert_eq!((rows.len(), before), (5, 0));
    assert!(after > 0);
}

#[test]
fn a_rogue_has_the_last_row_and_no_part_in_fairness() {
    let config = Config {
        rogue: Some(0.5),
        ..short("share-of-n")
    };
    let run = run(&config);

    assert_eq!(run.series.accepted.len(), 5);
    assert!(total(&run.series.accepted[4..]) > 20);
    assert!(Figures::of(&config, &run).jain > 0.9);
}

#[test]
fn a_quota_that_changes_is_what_is_measured_against() {
    let config = Config {
        changes: vec![Change {
            at: Duration::from_secs(40),
            what: What::Size(10),
        }],
        ..short("share-of-n")
    };
    let quota = run(&config).series.quota_per_slice;

    assert_eq!(
        (quota[0].to_string(), quota[79].to_string()),
        ("1".to_owned(), "1".to_owned())
    );
    assert_eq!(quota[80].to_string(), "0.5");
}

#[test]
fn waiting_for_too_long_counts_as_timed_out() {
    let config = Config {
        max_wait: Some(Duration::from_millis(100)),
        ..short("share-of-n")
    };
    let figures = Figures::of(&config, &run(&config));

    assert!(figures.timed_out > 0.0 && figures.timed_out <= figures.failed);
    assert!(figures.success < 1.0);
}

/// From an independent simulation of the same case: 12.4 429s per accepted, 34 % success.
#[test]
fn without_a_limiter_it_is_as_bad_as_elsewhere() {
    let config = Config {
        windows: 20,
        warmup: 5,
        ..Config::new("none".parse().unwrap())
    };
    let figures = Figures::of(&config, &run(&config));

    assert!(
        (12.0..13.0).contains(&figures.rejected_per_accepted),
        "{figures:?}"
    );
    assert!((0.33..0.35).contains(&figures.success), "{figures:?}");
}

/// From the stkai SDK's simulation with the SDK's own waits: 86.2 % success at ten processes, with a
/// standard deviation of up to 2.3 between seeds.
#[test]
fn the_stkai_sdk_does_as_well_here_as_in_its_own_world() {
    let config = Scenario::Rqc.config(10, "stkai-sdk:balanced".parse().unwrap());
    let successes = each_seed(&config, 4, |run| Figures::of(&config, &run).success, || ());
    let mean = successes.iter().sum::<f64>() / 4.0;

    assert!((0.84..0.885).contains(&mean), "{mean}");
}
