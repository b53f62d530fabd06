//! Clients with work: processes that know nothing of each other, each with its own layers and its own
//! workers.

mod ledger;
mod load;
mod worker;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::task::JoinSet;
use tower_throttle_token_bucket::Rate;

pub(crate) use self::ledger::Ledger;
use self::worker::Worker;
pub use self::{
    ledger::{End, Request},
    load::Load,
};
use crate::strategy::Stack;

/// What a client has to do.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) load: Load,
    pub(crate) workers: u32,
    /// How many clients share the load that comes by itself, or the batch.
    pub(crate) clients: u32,
    /// What the server lets in.
    pub(crate) rate: Rate,
    pub(crate) window: Duration,
    /// Set when nothing new is to be started.
    pub(crate) closed: Arc<AtomicBool>,
}

impl Work {
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// How many requests come by themselves at each client, per second.
    fn offered(&self, fraction: f64) -> f64 {
        self.rate.as_per_second_f64() * fraction / f64::from(self.clients)
    }

    /// How many requests the server lets in per window.
    fn quota(&self) -> f64 {
        self.rate.as_per_second_f64() * self.window.as_secs_f64()
    }
}

/// A process: dropping it kills it, and whatever it has in line or in flight.
#[derive(Debug)]
pub(crate) struct Client {
    index: usize,
    stack: Stack,
    _tasks: JoinSet<()>,
}

impl Client {
    /// Starts the workers of client `index`.
    pub(crate) fn start(
        index: usize,
        stack: Stack,
        ledger: &Ledger,
        work: &Work,
        random: Xoshiro256PlusPlus,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let worker = Worker {
            client: index,
            caller: stack.caller(),
            ledger: ledger.clone(),
            work: work.clone(),
            random,
        };
        worker.start(&mut tasks);
        Self {
            index,
            stack,
            _tasks: tasks,
        }
    }

    /// Which one it is.
    pub(crate) const fn index(&self) -> usize {
        self.index
    }

    /// How many it may have in flight now, if there is a limit.
    pub(crate) fn limit(&self) -> Option<u32> {
        self.stack.limit()
    }
}
