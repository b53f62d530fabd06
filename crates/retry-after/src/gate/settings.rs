use std::time::{Duration, Instant};

use tower_throttle_core::Invalid;
use tower_throttle_jitter::Jitter;

use crate::Signals;

/// What becomes of a pause that is longer than the cap.
///
/// It is never shortened silently: a shortened one is told in the event `gate_closed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OverCap {
    /// Those who wait and those who come are refused until the pause is over, and told when that is:
    /// [`Rejected::retry_after`](tower_throttle_core::Rejected::retry_after). The default.
    ///
    /// Services with [`backpressure`](tower_throttle_core::Backpressure) can't be refused: they wait.
    #[default]
    Surface,
    /// Everybody waits for as long as the cap.
    Clamp,
    /// Everybody waits for as long as the server says.
    Honor,
}

/// What a gate is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) cap: Duration,
    pub(super) over_cap: OverCap,
    pub(super) jitter: Jitter,
    pub(super) max_spread: Duration,
}

impl Settings {
    /// For how long to close the gate if a server asks for this, and whether to refuse requests.
    pub(super) fn judge(&self, asked: Duration) -> (Duration, bool) {
        match self.over_cap {
            _ if asked <= self.cap => (asked, false),
            OverCap::Surface => (asked, true),
            OverCap::Clamp => (self.cap, false),
            OverCap::Honor => (asked, false),
        }
    }

    /// The most that jitter adds to a pause.
    pub(super) fn spread(&self, pause: Duration) -> Duration {
        let spread = self.jitter.range(pause).end().saturating_sub(pause);
        spread.min(self.max_spread).min(LONGEST)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cap: Signals::CAP,
            over_cap: OverCap::default(),
            jitter: Jitter::upward(0.25),
            max_spread: Duration::from_secs(10),
        }
    }
}

/// Refuses a jitter that may shorten a wait.
#[track_caller]
pub(super) fn upward(jitter: Jitter) -> Jitter {
    let base = Duration::from_secs(1);
    if *jitter.range(base).start() < base {
        let rule = "one that never shortens a wait: upward, additive or none";
        panic!("{}", Invalid::new("jitter", format!("{jitter:?}"), rule));
    }
    jitter
}

/// Longer pauses count as this one, so that every end of a pause can be represented. Tokio's own "far
/// future".
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

pub(super) fn later(instant: Instant, duration: Duration) -> Instant {
    instant
        .checked_add(duration.min(LONGEST))
        .unwrap_or(instant)
}
