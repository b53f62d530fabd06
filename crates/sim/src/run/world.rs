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

use super::{Change, Config, Run, SLICES, What, capacity::Capacity, slice};
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
    desk: Arc<Desk>,
    ledger: Ledger,
    work: Work,
    /// Those that are there, oldest first.
    clients: VecDeque<Client>,
    joined: usize,
    /// How many each may have in flight, at the end of each slice.
    limits: Vec<Vec<f64>>,
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
            limits: vec![Vec::new(); size(config.all_clients())],
            rogue: None,
            random,
        };
        world.join(config.clients);
        world.rogue = config.rogue.map(|fraction| world.rogue(fraction));
        world
    }

    /// Lets everything happen until the run is over.
    pub(super) async fn live(&mut self, progress: &impl Fn(u32)) {
        let mut changes = self.config.changes_in_order().into_iter().peekable();
        for window in 0..self.config.windows {
            for part in 1..=SLICES {
                let end = self.config.window * window + slice(self.config.window) * part;
                while let Some(change) = changes.next_if(|change| change.at < end) {
                    self.desk.until(change.at).await;
                    self.change(change);
                }
                self.desk.until(end).await;
                self.note_limits();
            }
            progress(window + 1);
        }
    }

    /// Those that aren't there have a limit of 0, and so have those that know no limit.
    fn note_limits(&mut self) {
        for row in &mut self.limits {
            row.push(0.0);
        }
        for client in &self.clients {
            let row = self.limits.get_mut(client.index());
            let cell = row.and_then(|row| row.last_mut());
            if let (Some(cell), Some(limit)) = (cell, client.limit()) {
                *cell = limit.into();
            }
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
        let capacities = Capacity::per_slice(self.config, series.slices());
        let length = series.slice.as_secs_f64();
        series.quota_per_slice = capacities
            .iter()
            .map(|at| at.per_second() * length)
            .collect();
        entries.ended.sort_by_key(|request| request.ended);
        Run {
            series,
            trips: self.desk.take_trips(),
            limits: self.limits,
            capacity: capacities.iter().filter_map(Capacity::slots).collect(),
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
        let stack = strategy.stack(&seat, wire);
        Client::start(index, stack, &self.ledger, work, random)
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
