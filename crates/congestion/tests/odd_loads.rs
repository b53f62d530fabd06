//! Loads that are not like those that the estimators were made for. Each comment says what went wrong.
#![expect(
    clippy::disallowed_methods,
    reason = "a test tells what the time is, and it stands still"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time};
use tower_throttle_congestion::{Gradient, SharedCongestion};
use tower_throttle_core::Outcome;

mod support;

use support::{ms, secs, work, work_with};

/// 7 streams of 20 places are never over; 13 places are free. A probe lets 6 be in flight, so nobody is
/// sent any more, so nothing ends the probe.
#[tokio::test(start_paused = true)]
async fn a_probe_ends_though_a_few_calls_are_never_over() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    let mut streams = Vec::new();
    for _ in 0..7 {
        streams.push(limit.acquire().await.unwrap().spend());
    }
    work(&limit, 13, ms(100), secs(60)).await;

    let passed = time::timeout(secs(3600), limit.acquire()).await;

    assert!(
        passed.is_ok(),
        "nobody passed for an hour: limit {}, in flight {}",
        limit.limit(),
        limit.in_flight()
    );
}

/// One call of ten minutes, among those of 100 ms, stops all others for ten minutes.
#[tokio::test(start_paused = true)]
async fn one_long_call_does_not_stop_the_others() {
    let limit = SharedCongestion::with(Gradient::new())
        .start(4)
        .max_limit(4)
        .seed(1);
    let _long = limit.acquire().await.unwrap().spend();

    let done = work(&limit, 3, ms(100), secs(600)).await;

    // 3 at a time would be 18_000.
    assert!(done > 3_000, "{done} calls in ten minutes");
}

/// Twenty calls at once every 40 s, of 100 ms: the server would take them all. Each batch begins a probe
/// or gives one up; each that is given up takes a part of the limit.
#[tokio::test(start_paused = true)]
async fn batches_do_not_wear_the_limit_down() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    let mut took = Duration::ZERO;
    for _ in 0..100 {
        let start = time::Instant::now();
        let mut batch = JoinSet::new();
        for _ in 0..15 {
            let limit = limit.clone();
            batch.spawn(async move {
                let call = limit.acquire().await.unwrap().spend();
                time::sleep(ms(100)).await;
                call.complete(Outcome::Succeeded);
            });
        }
        while batch.join_next().await.is_some() {}
        took = start.elapsed();
        time::sleep_until(start + secs(40)).await;
    }
    assert!(
        took < ms(1000),
        "15 calls at once of 100 ms take {took:?}; limit {}, baseline {:?}",
        limit.limit(),
        limit.baseline()
    );
}

#[tokio::test(start_paused = true)]
async fn calls_of_ten_seconds_find_a_limit() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    let done = work(&limit, 50, secs(10), secs(600)).await;

    assert!(
        limit.limit() >= 20,
        "limit {}, baseline {:?} after ten minutes; {done} done (20 at once: 1200)",
        limit.limit(),
        limit.baseline()
    );
}

/// One call in fifty fails, whatever the load; the server would take any number.
#[tokio::test(start_paused = true)]
async fn stray_errors_do_not_pin_the_limit() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    let n = Arc::new(AtomicU32::new(0));
    work_with(&limit, 250, secs(60), move |_| {
        let x = n
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_mul(2_654_435_761);
        let failed = (x >> 16) % 50 == 0;
        let outcome = if failed {
            Outcome::Failed
        } else {
            Outcome::Succeeded
        };
        (ms(10), outcome)
    })
    .await;

    let unharmed = SharedCongestion::with(Gradient::new()).seed(1);
    work(&unharmed, 250, ms(10), secs(60)).await;
    let (harmed, unharmed) = (limit.limit(), unharmed.limit());
    assert!(harmed >= 20, "{harmed}; without errors {unharmed}");
}

/// 60 in flight are well; the server becomes a third faster.
#[tokio::test(start_paused = true)]
async fn a_server_that_becomes_faster_is_not_left() {
    let limit = SharedCongestion::with(Gradient::new())
        .max_limit(60)
        .seed(1);
    let latency = Arc::new(AtomicU32::new(1000));
    let server = {
        let latency = Arc::clone(&latency);
        move |_| {
            (
                ms(u64::from(latency.load(Ordering::Relaxed))),
                Outcome::Succeeded,
            )
        }
    };
    work_with(&limit, 60, secs(300), server.clone()).await;
    while limit.limit() < 60 {
        work_with(&limit, 60, secs(1), server.clone()).await;
    }
    latency.store(650, Ordering::Relaxed);
    let mut lowest = u32::MAX;
    for _ in 0..20 {
        work_with(&limit, 60, secs(1), server.clone()).await;
        if limit.last_cause() == Some(tower_throttle_congestion::Cause::Probe) {
            lowest = lowest.min(limit.limit());
        }
    }
    assert!(lowest >= 20, "fell from 60 to {lowest}");
}

/// A hundred times slower: no call was over within a probe, whose length followed the latency of before, so nothing
/// was learnt, and the limit stayed at 1.
#[tokio::test(start_paused = true)]
async fn a_server_that_becomes_far_slower_is_used_again() {
    for (before, after) in [(ms(1), ms(100)), (ms(100), secs(5)), (secs(1), secs(10))] {
        let limit = SharedCongestion::with(Gradient::new()).seed(1);
        work(&limit, 20, before, secs(200)).await;
        work(&limit, 20, after, after * 240 + secs(300)).await;

        let done = work(&limit, 20, after, after * 200).await;
        assert!(done > 20 * 180, "{done} of 4000, {after:?}");
    }
}

/// Ten in flight of the twenty that may be: a probe sent nine of them, as a part of the limit, which was hardly less.
/// So it took the latency under load for the latency with little to do.
#[tokio::test(start_paused = true)]
async fn a_probe_sends_a_part_of_what_is_in_flight() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    let start = time::Instant::now();
    let most = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&most);
    work_with(&limit, 10, secs(170), move |in_flight| {
        // A probe of all begins after 160 s; what was in flight is over after 1.2 latencies.
        if (160_150..160_250).contains(&start.elapsed().as_millis()) {
            seen.fetch_max(in_flight, Ordering::Relaxed);
        }
        (ms(100), Outcome::Succeeded)
    })
    .await;

    assert_eq!(limit.limit(), 20);
    let most = most.load(Ordering::Relaxed);
    assert!((1..=5).contains(&most), "{most} in flight");
}

/// Others overload the server between two probes of all: it was taken for one that is eight times slower, and the
/// limit was too high when they were gone.
#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_is_not_a_slower_one() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    work(&limit, 20, ms(100), secs(325)).await;

    let calls = Arc::new(AtomicU32::new(0));
    work_with(&limit, 20, secs(70), move |_| {
        let refused = calls.fetch_add(1, Ordering::Relaxed) % 4 == 0;
        let outcome = if refused {
            Outcome::Throttled
        } else {
            Outcome::Succeeded
        };
        (ms(800), outcome)
    })
    .await;

    let baseline = limit.baseline().unwrap();
    assert!(baseline < ms(150), "{baseline:?} with little to do");
}

/// Bursts, with nothing in between: the first answer closed a window that had been open all the time, and what had
/// been in flight before it was taken for all that was used.
#[tokio::test(start_paused = true)]
async fn bursts_after_a_pause_are_no_misuse() {
    for latency in [ms(100), secs(1)] {
        let limit = SharedCongestion::with(Gradient::new()).start(100).seed(1);
        let unit = units(1);
        for _ in 0..100 {
            let unit = unit.clone();
            let latency = move |_| (latency.mul_f64(0.7 + 0.6 * unit()), Outcome::Succeeded);
            let mut calls = JoinSet::new();
            for _ in 0..100 {
                let (limit, latency) = (limit.clone(), latency.clone());
                calls.spawn(async move {
                    let call = limit.acquire().await.unwrap().spend();
                    let (latency, outcome) = latency(());
                    time::sleep(latency).await;
                    call.complete(outcome);
                });
            }
            calls.join_all().await;
            time::sleep(secs(10)).await;
        }
        assert!(limit.limit() >= 60, "{} after bursts of 100", limit.limit());
    }
}

/// Between 0 and 1, other numbers for each seed.
fn units(seed: u64) -> impl Fn() -> f64 + Clone {
    let draws = Arc::new(AtomicU64::new(seed));
    move || {
        let draw = draws.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mixed = (draw ^ (draw >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        f64::from(u32::try_from(mixed >> 33).unwrap()) / f64::from(1_u32 << 31)
    }
}

/// What part of `workers` who are never slowed down is busy, in the five minutes after the first five. Latencies
/// are `constant` in part; what else there is of the mean is exponentially distributed.
async fn busy(workers: u32, mean: f64, constant: f64, seed: u64) -> f64 {
    let limit = SharedCongestion::with(Gradient::new()).seed(seed);
    let unit = units(seed);
    let varying = move |_| {
        let secs = mean * (constant - (1.0 - constant) * (1.0 - unit()).ln());
        (Duration::from_secs_f64(secs), Outcome::Succeeded)
    };
    let n = usize::try_from(workers).unwrap();
    work_with(&limit, n, secs(300), varying.clone()).await;

    let done = work_with(&limit, n, secs(300), varying).await;
    f64::from(done) * mean / (300.0 * f64::from(workers))
}

/// Calls of different length that nothing slows down: the fastest of them were taken for the server's latency
/// with little to do, and the limit fell.
#[tokio::test(start_paused = true)]
async fn latencies_that_vary_are_no_congestion() {
    for (mean, seed) in [(0.1, 1), (0.1, 2), (0.1, 3), (0.5, 1), (0.5, 2), (0.5, 3)] {
        let busy = busy(40, mean, 0.5, seed).await;
        assert!(busy > 0.95, "{busy} of the time, mean {mean}, seed {seed}");
    }
}

/// If they vary so much, few calls tell nothing: the limit fell to 1, and stayed there.
#[tokio::test(start_paused = true)]
async fn latencies_that_vary_a_lot_are_no_congestion_either() {
    for seed in 1..=3 {
        for (workers, mean) in [(40, 0.1), (40, 0.5), (5, 0.5), (40, 2.0)] {
            let busy = busy(workers, mean, 0.0, seed).await;
            assert!(busy > 0.9, "{busy} of {workers}, mean {mean}, seed {seed}");
        }
    }
}

/// Three workers at a server for many: it was measured without a probe, as there was little to do, and whenever the
/// latencies were lower by chance, they counted. So the limit fell to 1.
#[tokio::test(start_paused = true)]
async fn latencies_that_are_lower_by_chance_do_not_wear_the_limit_down() {
    for seed in 1..=30 {
        let limit = SharedCongestion::with(Gradient::new()).seed(seed);
        let unit = units(seed);
        let varying = move |_| (ms(200).mul_f64(0.3 + 1.4 * unit()), Outcome::Succeeded);
        work_with(&limit, 3, secs(1000), varying).await;

        let baseline = limit.baseline().unwrap();
        assert!(baseline > ms(150), "{baseline:?}, seed {seed}");
    }
}

/// Three workers, a server that becomes ten times slower, and then many more workers: the limit was bound to what the
/// three had used of it.
#[tokio::test(start_paused = true)]
async fn a_limit_is_not_bound_to_what_little_was_used_of_it() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    work(&limit, 3, ms(200), secs(400)).await;
    work(&limit, 3, secs(2), secs(100)).await;

    let before = limit.limit();
    work(&limit, 40, secs(2), secs(80)).await;
    assert!(limit.limit() > before, "{before} and no more");
}

/// A server that becomes three times slower and fails a part of the calls: failures are no refusals, which would
/// explain why it is slow.
#[tokio::test(start_paused = true)]
async fn failures_do_not_hide_that_a_server_is_slower() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    work(&limit, 20, ms(200), secs(325)).await;
    let calls = Arc::new(AtomicU32::new(0));
    work_with(&limit, 20, secs(60), move |_| {
        let failed = calls.fetch_add(1, Ordering::Relaxed) % 6 == 0;
        let outcome = if failed {
            Outcome::Failed
        } else {
            Outcome::Succeeded
        };
        (ms(600), outcome)
    })
    .await;

    let baseline = limit.baseline().unwrap();
    assert!(baseline > ms(550), "{baseline:?} with little to do");
}
