//! Workers who call one after another, in virtual time.
#![allow(dead_code, reason = "not every test needs all of it")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test tells what the time is, and it stands still"
)]

pub(crate) mod pure;
pub(crate) mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time};
use tower_throttle_congestion::SharedCongestion;
use tower_throttle_core::Outcome;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// `n` workers who make calls of `latency`, one after another, for `time`. Returns how many.
pub(crate) async fn work(
    limit: &SharedCongestion,
    n: usize,
    latency: Duration,
    time: Duration,
) -> u32 {
    work_with(limit, n, time, move |_| (latency, Outcome::Succeeded)).await
}

/// `n` workers who call one after another. The answer is by how many are in flight at the server.
pub(crate) async fn work_with(
    limit: &SharedCongestion,
    n: usize,
    time: Duration,
    answer: impl Fn(u32) -> (Duration, Outcome) + Clone + Send + Sync + 'static,
) -> u32 {
    let end = time::Instant::now() + time;
    let done = Arc::new(AtomicU32::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..n {
        let (limit, answer, done) = (limit.clone(), answer.clone(), Arc::clone(&done));
        workers.spawn(async move {
            loop {
                let call = limit.acquire().await.unwrap().spend();
                let (latency, outcome) = answer(limit.in_flight());
                time::sleep(latency).await;
                call.complete(outcome);
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    time::sleep_until(end).await;
    workers.abort_all();
    while workers.join_next().await.is_some() {}
    done.load(Ordering::Relaxed)
}
