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
use tokio::time::{Instant, sleep, sleep_until};

use super::{Change, Config, Run, SLICES, What, slice};
use crate::{
    Series,
    client::{Client, Ledger, Load, Work},
    strategy::{Seat, Strategy},
    wire::{Desk, Setup, Wire},
};

/// A server and its clients.
#[derive(Debug)]
pub(super) struct World<'a> {
    config: &'a Config,
    begin: Instant,
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
            begin: Instant::now(),
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
        let mut changes = self.config.changes.clone();
        changes.sort_by_key(|change| change.at);
        let mut changes = VecDeque::from(changes);
        for window in 1..=self.config.windows {
            let end = self.config.window * window;
            while let Some(change) = changes.pop_front_if(|change| change.at < end) {
                self.until(change.at).await;
                self.change(change);
            }
            self.until(end).await;
            progress(window);
        }
    }

    /// Starts nothing more, and waits for what has been started.
    pub(super) async fn drain(&self, patience: Duration) {
        self.work.closed.store(true, Ordering::Relaxed);
        let end = Instant::now() + patience;
        while self.ledger.open() > 0 && Instant::now() < end {
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

    async fn until(&self, at: Duration) {
        sleep_until(self.begin + at).await;
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

/// What the server would have let in: as much as the last change before the slice says.
fn quota_per_slice(config: &Config, slices: usize) -> Vec<f64> {
    let slice = slice(config.window);
    let mut changes: Vec<_> = config.changes.clone();
    changes.sort_by_key(|change| change.at);
    let mut at = Duration::ZERO;
    let (mut size, mut factor) = (config.quota, 1.0);
    let mut kind = config.server;
    let mut changes = changes.into_iter().peekable();
    let mut quotas = Vec::with_capacity(slices);
    for _ in 0..slices {
        while let Some(change) = changes.next_if(|change| change.at <= at) {
            match change.what {
                What::Size(to) => (size, kind) = (to, kind.resized(to)),
                What::Latency(by) => factor = by,
                What::Join(_) | What::Leave(_) => {}
            }
        }
        let rate = kind.rate(size.max(1), config.window).as_per_second_f64();
        let slower = if kind.slots().is_some() { factor } else { 1.0 };
        quotas.push(rate * slice.as_secs_f64() / slower);
        at += slice;
    }
    quotas
}
