//! What a client does about the limit: the layers between its workers and the wire.
//!
//! To add a strategy: a function that builds its stack, and a line in the table.

mod known;
mod ours;
mod peers;
mod repeat;
mod scramble;
mod stack;

use std::{fmt, str::FromStr, time::Duration};

use tower_throttle_jitter::Generator;
use tower_throttle_token_bucket::Rate;

use self::known::{BARE, Build, FIXED, KNOWN, Known};
pub(crate) use self::scramble::TimedOut;
pub use self::stack::{Caller, Stack};
use crate::wire::Wire;

/// What one client has been told.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    /// What the server lets in, at the beginning.
    pub rate: Rate,
    /// How many requests that is per window.
    pub quota: u32,
    /// The length of the server's window.
    pub window: Duration,
    /// How many clients there are, which only an oracle knows.
    pub clients: u32,
    /// The longest a request may wait in line.
    pub max_wait: Option<Duration>,
    /// Where the randomness of the layers comes from.
    pub seed: u64,
}

impl Seat {
    /// A source of randomness, one for each `purpose`.
    fn generator(&self, purpose: u64) -> Generator {
        Generator::seeded(
            self.seed
                .wrapping_add(purpose.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        )
    }
}

/// A way of dealing with the limit, by name.
#[derive(Debug, Clone, Copy)]
pub struct Strategy {
    kind: &'static Known,
    argument: u32,
}

impl Strategy {
    /// No layer at all: what is refused stays refused.
    pub(crate) const BARE: Self = Self {
        kind: &BARE,
        argument: 0,
    };

    /// Always so many in flight, in each client.
    #[must_use]
    pub const fn fixed(limit: u32) -> Self {
        Self {
            kind: &FIXED,
            argument: limit,
        }
    }

    /// Puts the layers of one client around its wire.
    #[must_use]
    pub fn stack(&self, seat: &Seat, wire: Wire) -> Stack {
        match self.kind.stack {
            Build::Plain(stack) => stack(seat, wire),
            Build::Numbered(stack) => stack(seat, wire, self.argument),
        }
    }

    /// What this suite has: what it recommends comes first.
    #[must_use]
    pub fn ours() -> Vec<Self> {
        let ours = KNOWN.iter().filter(|known| known.ours);
        ours.map(|kind| Self { kind, argument: 0 }).collect()
    }

    /// The names of all strategies, each with what it is.
    pub fn all() -> impl Iterator<Item = (String, &'static str)> {
        KNOWN.iter().map(|known| match known.takes() {
            Some(argument) => (format!("{}:{argument}", known.name), known.about),
            None => (known.name.to_owned(), known.about),
        })
    }
}

/// What this suite recommends.
impl Default for Strategy {
    fn default() -> Self {
        Self {
            kind: &KNOWN[0],
            argument: 0,
        }
    }
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let exact = KNOWN
            .iter()
            .find(|known| known.name == text && known.takes().is_none());
        if let Some(kind) = exact {
            return Ok(Self { kind, argument: 0 });
        }
        let (name, argument) = text.split_once(':').unwrap_or((text, ""));
        let mut taking = KNOWN.iter().filter(|known| known.takes().is_some());
        let kind = taking.find(|known| known.name == name);
        let argument = argument.parse().ok().filter(|&number: &u32| number > 0);
        match kind.zip(argument) {
            Some((kind, argument)) => Ok(Self { kind, argument }),
            None => Err(format!("there are {}", names())),
        }
    }
}

fn names() -> String {
    let names: Vec<_> = Strategy::all().map(|(name, _)| name).collect();
    names.join(", ")
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind.takes() {
            Some(_) => write!(f, "{}:{}", self.kind.name, self.argument),
            None => f.write_str(self.kind.name),
        }
    }
}

impl PartialEq for Strategy {
    fn eq(&self, other: &Self) -> bool {
        (self.kind.name, self.argument) == (other.kind.name, other.argument)
    }
}
