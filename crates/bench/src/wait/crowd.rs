//! Limiters to wait for, and tasks that do.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::task::{JoinHandle, yield_now};

use super::log::Log;

/// A share of a limiter that a task can wait for.
pub(crate) trait Acquire: Clone + Send + 'static {
    /// Waits for one token, and spends it.
    fn acquire(&mut self) -> impl Future<Output = ()> + Send;
}

/// A limiter, and what it is called.
#[derive(Clone, Copy)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// Makes one with so many grants a second, in a runtime.
    pub(crate) limiter: fn(u32) -> Box<dyn Crowd>,
    /// Whether it may let more through at once than the others, to lose less of the rate.
    pub(crate) coarse: bool,
}

impl Contender {
    pub(crate) const fn new(name: &'static str, limiter: fn(u32) -> Box<dyn Crowd>) -> Self {
        Self {
            name,
            limiter,
            coarse: false,
        }
    }

    pub(crate) const fn coarse(name: &'static str, limiter: fn(u32) -> Box<dyn Crowd>) -> Self {
        Self {
            name,
            limiter,
            coarse: true,
        }
    }
}

/// Spawns tasks that wait for one limiter.
pub(crate) trait Crowd: Send {
    /// Waits again and again, and logs every grant.
    fn spawn_regular(&self, log: &Arc<Log>);

    /// Waits once, after adding itself to `arrived`.
    fn spawn_once(&self, arrived: &Arc<AtomicUsize>) -> JoinHandle<()>;
}

impl<A: Acquire> Crowd for A {
    fn spawn_regular(&self, log: &Arc<Log>) {
        let mut limiter = self.clone();
        let log = Arc::clone(log);
        tokio::spawn(async move {
            loop {
                let ticket = log.draw();
                limiter.acquire().await;
                log.grant(ticket);
            }
        });
    }

    fn spawn_once(&self, arrived: &Arc<AtomicUsize>) -> JoinHandle<()> {
        let mut limiter = self.clone();
        let arrived = Arc::clone(arrived);
        tokio::spawn(async move {
            arrived.fetch_add(1, Ordering::Relaxed);
            limiter.acquire().await;
        })
    }
}

/// Spawns `n` tasks that wait once, and returns when all of them do.
pub(crate) async fn gather(crowd: &dyn Crowd, n: usize) -> Vec<JoinHandle<()>> {
    let arrived = Arc::new(AtomicUsize::new(0));
    let waiters: Vec<_> = (0..n).map(|_| crowd.spawn_once(&arrived)).collect();
    while arrived.load(Ordering::Relaxed) < n {
        yield_now().await;
    }
    waiters
}

/// No limiter: a task that is parked, which is what any waiter costs at least.
#[derive(Clone)]
struct Parked;

impl Acquire for Parked {
    async fn acquire(&mut self) {
        pending().await
    }
}

/// What the others are compared with in `memory` and `cancel`.
pub(crate) const PARKED: Contender = Contender::new("parked task", |_| Box::new(Parked));
