//! Calls in a loop: by one task, or by two that contend.

use std::{
    fmt::Debug,
    hint::{black_box, spin_loop},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::{
    runtime::{Builder, EnterGuard, Runtime},
    task::{JoinHandle, unconstrained},
};
use tower::{Service, ServiceExt};

use crate::rounds::{Subject, nanos_per};

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

/// Waits for the other, then calls: nanoseconds for each call.
async fn contend<S, R>(mut service: S, request: fn() -> R, n: u64, rally: Rally) -> f64
where
    S: Service<R, Error: Debug>,
{
    rally.play();
    let start = Instant::now();
    calls(&mut service, request, n).await;
    nanos_per(start.elapsed(), n)
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

async fn mean<const N: usize>(tasks: [JoinHandle<f64>; N]) -> f64 {
    let mut sum = 0.0;
    for task in tasks {
        sum += task.await.expect("nothing panics in a call");
    }
    sum / N as f64
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
