use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use http::HeaderMap;
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::{sync::oneshot, time::sleep_until};
use tower_throttle_core::now;

use super::{Hint, Latency, Spread};
use crate::{
    Series,
    server::{Arrival, Server},
};

/// Where the requests of all clients arrive: the server, those in line before it, and who keeps count.
#[derive(Debug)]
pub(crate) struct Desk {
    begin: Instant,
    way: Duration,
    latency: Latency,
    hint: Hint,
    slotted: bool,
    inner: Mutex<Inner>,
    this: Weak<Self>,
}

#[derive(Debug)]
struct Inner {
    server: Box<dyn Server>,
    line: VecDeque<oneshot::Sender<Slot>>,
    series: Series,
    trips: Vec<Trip>,
    /// How many times slower than usual the server is.
    factor: f64,
    random: Xoshiro256PlusPlus,
}

/// How the desk is set up.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) server: Box<dyn Server>,
    pub(crate) slotted: bool,
    /// How long a refusal takes, there and back.
    pub(crate) refusal: Duration,
    pub(crate) latency: Latency,
    pub(crate) hint: Hint,
    pub(crate) series: Series,
    pub(crate) random: Xoshiro256PlusPlus,
}

/// One request that was let in, as the innermost layer saw it: from the send to the response, without
/// any waiting in the client's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trip {
    /// Whose it was.
    pub client: usize,
    /// When it was sent.
    pub sent: Duration,
    /// When its response was there.
    pub ended: Duration,
}

/// How far the one-way transit is spread.
const TRANSIT: Spread = Spread::LogNormal(0.3);

impl Desk {
    /// The run begins now.
    pub(crate) fn open(setup: Setup) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            begin: now(),
            way: setup.refusal / 2,
            latency: setup.latency,
            hint: setup.hint,
            slotted: setup.slotted,
            this: this.clone(),
            inner: Mutex::new(Inner {
                server: setup.server,
                line: VecDeque::new(),
                series: setup.series,
                trips: Vec::new(),
                factor: 1.0,
                random: setup.random,
            }),
        })
    }

    /// How long the run has lasted.
    pub(crate) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.begin)
    }

    /// Waits until the run has lasted so long.
    pub(crate) async fn until(&self, at: Duration) {
        sleep_until((self.begin + at).into()).await;
    }

    pub(crate) fn resize(&self, size: u32) {
        let begin = self.lock().server.resize(size, self.elapsed());
        self.let_begin(begin);
    }

    pub(crate) fn slow_down(&self, factor: f64) {
        self.lock().factor = factor;
    }

    /// What has happened, once nothing more will.
    pub(crate) fn take_series(&self) -> Series {
        mem::take(&mut self.lock().series)
    }

    /// What took how long, once nothing more will.
    pub(crate) fn take_trips(&self) -> Vec<Trip> {
        mem::take(&mut self.lock().trips)
    }

    /// A request that was sent then has its response.
    pub(super) fn record(&self, client: usize, sent: Duration) {
        let ended = self.elapsed();
        self.lock().trips.push(Trip {
            client,
            sent,
            ended,
        });
    }

    /// How long the way to the server takes, or back.
    pub(super) fn way(&self) -> Duration {
        let mut inner = self.lock();
        self.way.mul_f64(TRANSIT.draw(&mut inner.random))
    }

    /// How long a request takes that begins now.
    pub(super) fn latency(&self) -> Duration {
        let inner = &mut *self.lock();
        let fullness = inner.server.fullness();
        self.latency.draw(inner.factor, fullness, &mut inner.random)
    }

    pub(super) fn arrive(&self, client: usize) -> Admission {
        let now = self.elapsed();
        let mut inner = self.lock();
        let arrival = inner.server.arrive(now);
        if arrival == Arrival::Refused || !self.slotted {
            inner.series.count(client, arrival != Arrival::Refused, now);
        }
        match arrival {
            Arrival::Refused => Admission::Refused,
            Arrival::Accepted => Admission::Accepted(self.slotted.then(|| self.slot())),
            Arrival::Queued => {
                let (sender, turn) = oneshot::channel();
                inner.line.push_back(sender);
                Admission::Queued(turn)
            }
        }
    }

    /// A server that has slots has let in what it has done: its line has no end.
    pub(super) fn count_done(&self, client: usize) {
        let now = self.elapsed();
        self.lock().series.count(client, true, now);
    }

    /// What the response will say, as things stand when the server decides.
    pub(super) fn headers(&self, admission: &Admission) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.hint != Hint::None {
            let disclosure = self.lock().server.disclose(self.elapsed());
            let refused = matches!(admission, Admission::Refused);
            self.hint.write(&mut headers, &disclosure, refused);
        }
        headers
    }

    /// Hands slots to those in line. One that has left drops its slot, and so the next one begins.
    fn let_begin(&self, count: u32) {
        for _ in 0..count {
            let sender = self.lock().line.pop_front();
            let unsent = sender.and_then(|sender| sender.send(self.slot()).err());
            drop(unsent);
        }
    }

    fn slot(&self) -> Slot {
        Slot(self.this.clone())
    }

    fn depart(&self) {
        let begin = self.lock().server.depart(self.elapsed());
        self.let_begin(begin);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of a request, and what it holds.
#[derive(Debug)]
pub(super) enum Admission {
    Accepted(Option<Slot>),
    Queued(oneshot::Receiver<Slot>),
    Refused,
}

/// A slot of the server, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Weak<Desk>);

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(desk) = self.0.upgrade() {
            desk.depart();
        }
    }
}
