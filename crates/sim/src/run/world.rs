use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::time::sleep;

use super::{Change, Config, Run, SLICES, What, slice};
use crate::{
    Series,
    client::{Client, Ledger, Load, Work},
    server::Kind,
    strategy::{Seat, Strategy},
    wire::{Desk, Setup, Wire},
};

/// A server and its clients.
#[derive(Debug)]
pub(super) struct World<'a> {
    config: &'a Config,
    desk: Arc<Desk>,
    ledger: Ledger,
    work: Work,
    /// Those that are there, oldest first.
    clients: VecDeque<Client>,
    joined: usize,
    rogue: Option<Client>,
    random: Xoshiro256PlusPlus,
}

impl<'a> World<'a> {
    /// In the beginning there is the server, and those clients that don't join later.
    pub(super) fn create(config: &'a Config, seed: u64) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let desk = Desk::open(setup(config, &mut random));
        let work = Work {
            load: config.load,
            workers: config.workers(),
            clients: config.clients,
            rate: config.rate(),
            window: config.window,
            closed: Arc::new(AtomicBool::new(false)),
        };
        let mut world = Self {
            config,
            ledger: Ledger::new(Arc::clone(&desk)),
            desk,
            work,
            clients: VecDeque::new(),
            joined: 0,
            rogue: None,
            random,
        };
        world.join(config.clients);
        world.rogue = config.rogue.map(|fraction| world.rogue(fraction));
        world
    }

    /// Lets everything happen until the run is over.
    pub(super) async fn live(&mut self, progress: &impl Fn(u32)) {
        let mut changes = in_order(self.config).into_iter().peekable();
        for window in 1..=self.config.windows {
            let end = self.config.window * window;
            while let Some(change) = changes.next_if(|change| change.at < end) {
                self.desk.until(change.at).await;
                self.change(change);
            }
            self.desk.until(end).await;
            progress(window);
        }
    }

    /// Starts nothing more, and waits for what has been started.
    pub(super) async fn drain(&self, patience: Duration) {
        self.work.closed.store(true, Ordering::Relaxed);
        let end = self.desk.elapsed() + patience;
        while self.ledger.open() > 0 && self.desk.elapsed() < end {
            sleep(self.config.window / SLICES).await;
        }
    }

    /// What became of it all.
    pub(super) fn end(self) -> Run {
        let mut entries = self.ledger.take();
        let mut series = self.desk.take_series();
        series.quota_per_slice = quota_per_slice(self.config, series.slices());
        entries.ended.sort_by_key(|request| request.ended);
        Run {
            series,
            trips: self.desk.take_trips(),
            lost: entries.open(),
            requests: entries.ended,
        }
    }

    fn change(&mut self, change: Change) {
        match change.what {
            What::Size(size) => self.desk.resize(size),
            What::Latency(factor) => self.desk.slow_down(factor),
            What::Join(clients) => self.join(clients),
            What::Leave(clients) => {
                for _ in 0..clients {
                    self.clients.pop_front();
                }
            }
        }
    }

    fn join(&mut self, clients: u32) {
        for _ in 0..clients {
            let strategy = self.config.strategy;
            let client = self.client(self.joined, strategy, &self.work.clone());
            self.clients.push_back(client);
            self.joined += 1;
        }
    }

    fn client(&mut self, index: usize, strategy: Strategy, work: &Work) -> Client {
        let seat = Seat {
            rate: self.config.rate(),
            quota: self.config.quota,
            window: self.config.window,
            clients: self.config.clients,
            max_wait: self.config.max_wait,
            seed: self.random.random(),
        };
        let wire = Wire::new(Arc::clone(&self.desk), index);
        let random = Xoshiro256PlusPlus::from_rng(&mut self.random);
        let caller = strategy.stack(&seat, wire);
        Client::start(index, caller, &self.ledger, work, random)
    }

    /// One that has no layers at all.
    fn rogue(&mut self, fraction: f64) -> Client {
        let work = Work {
            load: Load::Poisson(fraction),
            clients: 1,
            ..self.work.clone()
        };
        let last = self.config.all_clients();
        let index = usize::try_from(last).unwrap_or(usize::MAX);
        self.client(index, Strategy::BARE, &work)
    }
}

fn setup(config: &Config, random: &mut Xoshiro256PlusPlus) -> Setup {
    let phase = config.window.mul_f64(random.random());
    let rows = config.all_clients() + u32::from(config.rogue.is_some());
    let slices = config.windows * SLICES;
    Setup {
        server: config.server.open(config.quota, config.window, phase),
        slotted: config.server.slots().is_some(),
        refusal: config.refusal,
        latency: config.latency(),
        hint: config.hint,
        series: Series::new(slice(config.window), size(rows), size(slices)),
        random: Xoshiro256PlusPlus::from_rng(random),
    }
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// What changes, the earliest first.
fn in_order(config: &Config) -> Vec<Change> {
    let mut changes = config.changes.clone();
    changes.sort_by_key(|change| change.at);
    changes
}

/// What the server would have let in: as much as it could at the beginning of each slice.
fn quota_per_slice(config: &Config, slices: usize) -> Vec<f64> {
    let slice = slice(config.window);
    let mut changes = in_order(config).into_iter().peekable();
    let (mut at, mut capacity) = (Duration::ZERO, Capacity::of(config));
    let mut quotas = Vec::with_capacity(slices);
    for _ in 0..slices {
        while let Some(change) = changes.next_if(|change| change.at <= at) {
            capacity.change(change.what);
        }
        quotas.push(capacity.per_second() * slice.as_secs_f64());
        at += slice;
    }
    quotas
}

/// What the server can do at most, as it is.
struct Capacity {
    kind: Kind,
    quota: u32,
    window: Duration,
    /// How many times slower than at the beginning.
    factor: f64,
}

impl Capacity {
    fn of(config: &Config) -> Self {
        Self {
            kind: config.server,
            quota: config.quota,
            window: config.window,
            factor: 1.0,
        }
    }

    fn change(&mut self, what: What) {
        match what {
            What::Size(size) => (self.quota, self.kind) = (size, self.kind.resized(size)),
            What::Latency(factor) => self.factor = factor,
            What::Join(_) | What::Leave(_) => {}
        }
    }

    /// A quota doesn't care how long requests take.
    fn per_second(&self) -> f64 {
        let rate = self.kind.rate(self.quota, self.window).as_per_second_f64();
        match self.kind.slots() {
            Some(_) => rate / self.factor,
            None => rate,
        }
    }
}
