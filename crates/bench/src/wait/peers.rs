//! The limiters of others that a task can wait for.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use governor::{DefaultDirectRateLimiter, Quota};
use tokio::{
    sync::Semaphore,
    time::{MissedTickBehavior, interval},
};
use tower::{
    Layer, Service, ServiceExt,
    buffer::Buffer,
    limit::{RateLimit, rate::Rate},
};
use tower_resilience_ratelimiter::RateLimiterLayer;

use crate::{call::Echo, ours};

use super::crowd::{Acquire, Contender, Crowd};

pub(super) const SEMAPHORE: &str = "Semaphore + refill";

const ALL: &[Contender] = &[
    Contender::new(SEMAPHORE, semaphore),
    Contender::new("leaky-bucket, 1 ms", |rate| leaky_bucket(rate, FINE)),
    Contender::coarse("leaky-bucket, 100 ms", |rate| leaky_bucket(rate, COARSE)),
    Contender::new("governor", governor),
    Contender::new("tower Buffer + RateLimit, 1 ms", |rate| tower(rate, FINE)),
    Contender::coarse("tower Buffer + RateLimit, 100 ms", |rate| {
        tower(rate, COARSE)
    }),
    Contender::new("tower-resilience, 1 ms", |rate| resilience(rate, FINE)),
    Contender::coarse("tower-resilience, 100 ms", |rate| resilience(rate, COARSE)),
];

/// All and ours, or without the coarse ones.
pub(super) fn wanted(every: bool) -> Vec<Contender> {
    let all = ALL.iter().copied().chain(ours::WAITING);
    all.filter(|contender| every || !contender.coarse).collect()
}

/// The shortest window that tokio's timers know.
const FINE: Duration = Duration::from_millis(1);
const COARSE: Duration = Duration::from_millis(100);

/// As many whole tokens as come in a window, and a longer window if that would be none.
fn window(rate: u32, window: Duration) -> (u32, Duration) {
    let least = Duration::from_secs(1) / rate;
    let window = window.max(least);
    let tokens = u128::from(rate) * window.as_nanos() / 1_000_000_000;
    (u32::try_from(tokens).unwrap_or(u32::MAX).max(1), window)
}

/// The yardstick: a task that adds what is due every millisecond.
fn semaphore(rate: u32) -> Box<dyn Crowd> {
    let semaphore = Arc::new(Semaphore::new(0));
    tokio::spawn(refill(Arc::clone(&semaphore), rate));
    Box::new(semaphore)
}

async fn refill(semaphore: Arc<Semaphore>, rate: u32) {
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let start = Instant::now();
    let mut added = 0;
    loop {
        ticks.tick().await;
        let due = start.elapsed().as_nanos() * u128::from(rate) / 1_000_000_000;
        let due = usize::try_from(due).unwrap_or(usize::MAX);
        semaphore.add_permits(due - added);
        added = due;
    }
}

impl Acquire for Arc<Semaphore> {
    async fn acquire(&mut self) {
        Semaphore::acquire(self)
            .await
            .expect("it is never closed")
            .forget();
    }
}

fn leaky_bucket(rate: u32, length: Duration) -> Box<dyn Crowd> {
    let (tokens, interval) = window(rate, length);
    let limiter = leaky_bucket::RateLimiter::builder()
        .max(tokens as usize)
        .initial(0)
        .refill(tokens as usize)
        .interval(interval)
        .build();
    Box::new(Arc::new(limiter))
}

impl Acquire for Arc<leaky_bucket::RateLimiter> {
    async fn acquire(&mut self) {
        self.acquire_one().await;
    }
}

fn governor(rate: u32) -> Box<dyn Crowd> {
    let quota = Quota::with_period(Duration::from_secs(1) / rate).expect("a second or less");
    let limiter = DefaultDirectRateLimiter::direct(quota.allow_burst(NonZeroU32::MIN));
    Box::new(Arc::new(limiter))
}

impl Acquire for Arc<DefaultDirectRateLimiter> {
    async fn acquire(&mut self) {
        self.until_ready().await;
    }
}

fn tower(rate: u32, length: Duration) -> Box<dyn Crowd> {
    let (tokens, per) = window(rate, length);
    let limited = RateLimit::new(Echo, Rate::new(u64::from(tokens), per));
    Box::new(Called(Buffer::new(limited, 1024)))
}

fn resilience(rate: u32, length: Duration) -> Box<dyn Crowd> {
    let (tokens, period) = window(rate, length);
    let layer = RateLimiterLayer::builder()
        .limit_for_period(tokens as usize)
        .refresh_period(period)
        .timeout_duration(Duration::from_secs(3600))
        .build()
        .expect("neither is zero");
    Box::new(Called(layer.layer(Echo)))
}

/// A service, each call of which takes a token.
#[derive(Clone)]
pub(crate) struct Called<S>(pub(crate) S);

impl<S> Acquire for Called<S>
where
    S: Service<u64, Response = u64, Future: Send, Error: std::fmt::Debug> + Clone + Send + 'static,
{
    async fn acquire(&mut self) {
        let ready = self.0.ready().await.expect("an echo is always ready");
        ready.call(1).await.expect("it may wait for long");
    }
}
