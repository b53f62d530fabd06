//! The server, and its protection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{sync::Semaphore, time};
use tower_throttle::{
    Rejected,
    congestion::{CongestionLayer, Estimator},
    retry_after::emit,
};

const SLOTS: usize = 4;
const WORK: Duration = Duration::from_millis(20);

/// Each request that is there costs all others so much: memory, locks, switches.
const BURDEN: f64 = 0.01;

struct Machine {
    slots: Semaphore,
    present: AtomicU32,
}

pub(crate) fn app() -> Router {
    let machine = Arc::new(Machine {
        slots: Semaphore::new(SLOTS),
        present: AtomicU32::new(0),
    });
    Router::new().route("/", get(work)).with_state(machine)
}

/// The same behind a limit: what is too much is answered 503, at once.
pub(crate) fn shedding<E: Estimator + Clone + Sync>(layer: CongestionLayer<E>) -> Router {
    app().layer(layer.max_wait(Duration::ZERO).on_reject(shed))
}

async fn work(State(machine): State<Arc<Machine>>) -> &'static str {
    let present = Present::enter(&machine);
    let slot = machine.slots.acquire().await;
    time::sleep(WORK.mul_f64(1.0 + BURDEN * present.others())).await;
    drop(slot);
    "done"
}

/// `Retry-After` counts in seconds, rounded up: 0 would mean at once.
#[expect(clippy::needless_pass_by_value, reason = "the shape of `on_reject`")]
fn shed(rejected: Rejected) -> Response {
    let wait = rejected.retry_after().unwrap_or(Duration::from_millis(500));
    let header = [(header::RETRY_AFTER, emit::retry_after(wait))];
    (StatusCode::SERVICE_UNAVAILABLE, header).into_response()
}

/// One request that is there, whether it works or waits.
struct Present<'a>(&'a AtomicU32);

impl<'a> Present<'a> {
    fn enter(machine: &'a Machine) -> Self {
        machine.present.fetch_add(1, Ordering::Relaxed);
        Self(&machine.present)
    }

    fn others(&self) -> f64 {
        f64::from(self.0.load(Ordering::Relaxed).saturating_sub(1))
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
