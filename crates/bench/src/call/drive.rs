//! Calls in a loop: by one task, or by two that contend.

use std::{
    fmt::Debug,
    future::poll_fn,
    hint::{black_box, spin_loop},
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Instant,
};

use tokio::{
    runtime::{Builder, EnterGuard, Runtime},
    task::{JoinHandle, unconstrained},
};
use tower::{Service, ServiceExt};

use crate::rounds::{Spent, Subject, allocs_per, nanos_per};

/// How a service is called.
pub(crate) trait Drive {
    fn subject<S, R>(&self, name: &'static str, service: S, request: fn() -> R) -> Subject
    where
        S: Service<R, Error: Debug, Future: Send> + Clone + Send + 'static,
        R: Send + 'static;
}

/// One task on a current-thread runtime.
pub(super) struct Alone(Rc<Runtime>);

impl Alone {
    pub(super) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build();
        Self(Rc::new(runtime.expect("a runtime")))
    }

    /// For services that want a runtime when they are made.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.0.enter()
    }

    /// As [`Drive::subject`], for a service that cannot be cloned.
    pub(super) fn unshared<S, R>(
        &self,
        name: &'static str,
        mut service: S,
        request: fn() -> R,
    ) -> Subject
    where
        S: Service<R, Error: Debug> + 'static,
        R: 'static,
    {
        let runtime = Rc::clone(&self.0);
        Subject::here(name, move |n| {
            runtime.block_on(unconstrained(calls(&mut service, request, n)));
        })
    }
}

impl Drive for Alone {
    fn subject<S, R>(&self, name: &'static str, service: S, request: fn() -> R) -> Subject
    where
        S: Service<R, Error: Debug, Future: Send> + Clone + Send + 'static,
        R: Send + 'static,
    {
        self.unshared(name, service, request)
    }
}

/// Two tasks on a runtime with two workers, each with a clone of the service.
pub(super) struct Contended(Rc<Runtime>);

impl Contended {
    pub(super) fn new() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build();
        Self(Rc::new(runtime.expect("a runtime")))
    }
}

impl Drive for Contended {
    fn subject<S, R>(&self, name: &'static str, service: S, request: fn() -> R) -> Subject
    where
        S: Service<R, Error: Debug, Future: Send> + Clone + Send + 'static,
        R: Send + 'static,
    {
        let runtime = Rc::clone(&self.0);
        Subject::elsewhere(name, move |n| {
            let tasks = Rally::pair().map(|rally| {
                runtime.spawn(unconstrained(contend(service.clone(), request, n, rally)))
            });
            runtime.block_on(mean(tasks))
        })
    }
}

/// Waits for the other, then calls.
async fn contend<S, R>(mut service: S, request: fn() -> R, n: u64, rally: Rally) -> Spent
where
    S: Service<R, Error: Debug>,
{
    rally.play();
    let start = Instant::now();
    let allocations = counted(calls(&mut service, request, n)).await;
    Spent {
        nanos: nanos_per(start.elapsed(), n),
        allocs: allocs_per(allocations, n),
    }
}

/// How much a future allocates. The counter is one of the thread, and a task may move from one poll to the next.
async fn counted(future: impl Future<Output = ()>) -> u64 {
    let mut future = pin!(future);
    let mut allocations = 0;
    poll_fn(|cx| {
        let mut poll = Poll::Pending;
        let counted = allocation_counter::measure(|| poll = future.as_mut().poll(cx));
        allocations += counted.count_total;
        poll
    })
    .await;
    allocations
}

/// Makes sure that two tasks run at once. Both may have been woken on one core, where they would
/// follow each other and never contend; there, a rally lasts until one of them is moved away.
struct Rally {
    turn: Arc<AtomicUsize>,
    player: usize,
}

impl Rally {
    const HITS: usize = 200;

    fn pair() -> [Self; 2] {
        let turn = Arc::new(AtomicUsize::new(0));
        [0, 1].map(|player| Self {
            turn: Arc::clone(&turn),
            player,
        })
    }

    fn play(&self) {
        for hit in 0..Self::HITS {
            while self.turn.load(Ordering::Acquire) != 2 * hit + self.player {
                spin_loop();
            }
            self.turn.fetch_add(1, Ordering::AcqRel);
        }
    }
}

async fn mean<const N: usize>(tasks: [JoinHandle<Spent>; N]) -> Spent {
    let (mut nanos, mut allocs) = (0.0, 0.0);
    for task in tasks {
        let spent = task.await.expect("nothing panics in a call");
        nanos += spent.nanos / N as f64;
        allocs += spent.allocs / N as f64;
    }
    Spent { nanos, allocs }
}

async fn calls<S, R>(service: &mut S, request: fn() -> R, n: u64)
where
    S: Service<R, Error: Debug>,
{
    for _ in 0..n {
        let ready = service.ready().await.expect("an echo is always ready");
        let response = ready.call(black_box(request())).await;
        black_box(response.expect("there are tokens for all"));
    }
}
