use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tower_throttle_core::{BoxError, Rejected, Why};

use crate::{strategy::TimedOut, wire::Desk};

/// How a request ended, as its caller saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// With a response that isn't an error.
    Succeeded,
    /// With a 429, however often it was repeated.
    Throttled,
    /// A layer refused it because it would have waited for too long, or did.
    TimedOut,
    /// A layer refused it for another reason, or something went wrong.
    Failed,
    /// Its client left.
    Abandoned,
}

impl End {
    pub(crate) fn of(result: &Result<crate::wire::Answer, BoxError>) -> Self {
        match result {
            Ok(answer) if answer.status().is_success() => Self::Succeeded,
            Ok(_) => Self::Throttled,
            Err(error) => match error.downcast_ref::<Rejected>().map(Rejected::why) {
                Some(Why::TooLong) => Self::TimedOut,
                None if error.is::<TimedOut>() => Self::TimedOut,
                _ => Self::Failed,
            },
        }
    }
}

/// One request, from the beginning to the end, waiting in line and retries included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Whose it was.
    pub client: usize,
    /// When its caller had it.
    pub started: Duration,
    /// When its caller had the answer.
    pub ended: Duration,
    /// Which answer that was.
    pub end: End,
}

impl Request {
    /// How long it took.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.ended.saturating_sub(self.started)
    }
}

/// What became of every request. Clones write into the same one.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    desk: Arc<Desk>,
    entries: Arc<Mutex<Entries>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Entries {
    pub(crate) started: u32,
    pub(crate) ended: Vec<Request>,
}

impl Entries {
    /// How many have started and not ended.
    pub(crate) fn open(&self) -> u32 {
        let ended = u32::try_from(self.ended.len()).unwrap_or(u32::MAX);
        self.started.saturating_sub(ended)
    }
}

impl Ledger {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self {
            desk,
            entries: Arc::default(),
        }
    }

    /// The clock by which entries are dated.
    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// A request starts.
    pub(crate) fn start(&self, client: usize) -> Entry {
        self.lock().started += 1;
        Entry {
            ledger: self.clone(),
            client,
            started: self.desk.elapsed(),
            end: End::Abandoned,
        }
    }

    pub(crate) fn open(&self) -> u32 {
        self.lock().open()
    }

    pub(crate) fn take(&self) -> Entries {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that has started. Dropping it writes down how it ended.
#[derive(Debug)]
pub(crate) struct Entry {
    ledger: Ledger,
    client: usize,
    started: Duration,
    end: End,
}

impl Entry {
    pub(crate) fn end(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let request = Request {
            client: self.client,
            started: self.started,
            ended: self.ledger.desk.elapsed(),
            end: self.end,
        };
        self.ledger.lock().ended.push(request);
    }
}
