use std::time::Duration;

use tower_throttle_token_bucket::Rate;

use crate::{
    client::Load,
    server::{Kind, SERVICE},
    strategy::Strategy,
    wire::{Hint, Latency, Spread},
};

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which server it is.
    pub server: Kind,
    /// How many requests it lets in per window, all clients together.
    pub quota: u32,
    /// The length of its window.
    pub window: Duration,
    /// What it tells.
    pub hint: Hint,
    /// How long an accepted request takes. Default: 0.2 s, and what suits the server.
    pub latency: Option<Latency>,
    /// How long a refused request takes.
    pub refusal: Duration,
    /// How many clients there are at the beginning.
    pub clients: u32,
    /// How many workers each of them has. Default: 8, and more where it takes more to saturate.
    pub workers: Option<u32>,
    /// What they have to send.
    pub load: Load,
    /// A client more, which sends this share of what the server lets in and never backs off.
    pub rogue: Option<f64>,
    /// What the clients do about the limit.
    pub strategy: Strategy,
    /// The longest a request may wait in line.
    pub max_wait: Option<Duration>,
    /// How long the run is, in windows.
    pub windows: u32,
    /// How many of them don't count.
    pub warmup: u32,
    /// What changes, in any order.
    pub changes: Vec<Change>,
}

/// Something that changes in the course of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// When it happens, after the beginning.
    pub at: Duration,
    /// What happens.
    pub what: What,
}

/// What may change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    /// The quota, or the number of slots, is this from now on.
    Size(u32),
    /// A request takes so many times longer than at the beginning.
    Latency(f64),
    /// So many clients more.
    Join(u32),
    /// So many clients fewer: those of the beginning leave first, with all that they have in line.
    Leave(u32),
}

impl Config {
    /// 100 requests per minute, fixed windows, no hints, 10 clients that want more than that.
    #[must_use]
    pub const fn new(strategy: Strategy) -> Self {
        Self {
            server: Kind::Fixed,
            quota: 100,
            window: Duration::from_secs(60),
            hint: Hint::None,
            latency: None,
            refusal: Duration::from_millis(30),
            clients: 10,
            workers: None,
            load: Load::Saturated,
            rogue: None,
            strategy,
            max_wait: None,
            windows: 60,
            warmup: 20,
            changes: Vec::new(),
        }
    }

    /// What the server lets in, at the beginning.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.server.rate(self.quota, self.window)
    }

    /// How long a request takes.
    #[must_use]
    pub fn latency(&self) -> Latency {
        self.latency.unwrap_or(match self.server {
            Kind::Slots(_) => Latency {
                base: SERVICE,
                spread: Spread::LogNormal(0.2),
                crowded: true,
            },
            Kind::Queueing(_) => Latency::log_normal(SERVICE, 0.2),
            _ => Latency::log_normal(SERVICE, 0.3),
        })
    }

    /// How many workers each client has.
    ///
    /// Unless it is given: 8; or as many as keep 1.6 times the quota in flight, so that each client could
    /// spend it alone; or all together four times as many as there are slots.
    #[must_use]
    pub fn workers(&self) -> u32 {
        let wanted = match self.server.slots() {
            Some(slots) => 4.0 * f64::from(slots) / f64::from(self.clients.max(1)),
            None => 1.6 * self.rate().as_per_second_f64() * self.latency().base.as_secs_f64(),
        };
        self.workers.unwrap_or_else(|| whole(wanted).clamp(8, 1000))
    }

    /// How long the run is.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.window * self.windows
    }

    /// From when on it counts.
    #[must_use]
    pub fn measured_from(&self) -> Duration {
        self.window * self.warmup
    }

    /// What changes, the earliest first.
    pub(crate) fn changes_in_order(&self) -> Vec<Change> {
        let mut changes = self.changes.clone();
        changes.sort_by_key(|change| change.at);
        changes
    }

    /// How many clients there are in the course of the run, a rogue not included.
    pub(crate) fn all_clients(&self) -> u32 {
        let joining = self.changes.iter().map(|change| match change.what {
            What::Join(clients) => clients,
            _ => 0,
        });
        self.clients + joining.sum::<u32>()
    }
}

/// Rounds up, as far as a `u32` goes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates"
)]
fn whole(number: f64) -> u32 {
    number.ceil() as u32
}
