use std::time::{Duration, Instant};

use tower_throttle_core::Invalid;
use tower_throttle_jitter::Jitter;

use crate::Signals;

/// What becomes of a pause that is longer than the cap.
///
/// It is never shortened silently: a shortened one is told in the event `gate_closed`, unless it neither
/// puts off the end of the pause by a second nor asks for an end a second later than what was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OverCap {
    /// Those who wait and those who come are refused until the pause is over, and told when the next
    /// request will pass, jitter included:
    /// [`Rejected::retry_after`](tower_throttle_core::Rejected::retry_after). The default.
    ///
    /// Of several such pauses, the end of the longest counts. Whoever comes after that end waits until the
    /// gate opens: for the jitter, and for as long as it is closed by hand.
    ///
    /// Services with [`backpressure`](tower_throttle_core::Backpressure) can't be refused: they wait.
    #[default]
    Surface,
    /// Everybody waits for as long as the cap. With a cap of zero nobody does, and nothing is told but
    /// `rate_limit_hit`.
    Clamp,
    /// Everybody waits for as long as the server says.
    Honor,
}

/// What a gate makes of a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    /// For how long it closes.
    pub(super) pause: Duration,
    /// For how long it was to close.
    pub(super) asked: Duration,
    /// Whether it refuses requests for so long.
    pub(super) refuses: bool,
}

/// What a gate is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) cap: Duration,
    pub(super) over_cap: OverCap,
    pub(super) jitter: Jitter,
    pub(super) max_spread: Duration,
    pub(super) min_pause: Duration,
}

impl Settings {
    /// What to do if a server asks for this.
    pub(super) fn judge(&self, asked: Duration) -> Closing {
        let over = asked > self.cap;
        Closing {
            pause: match self.over_cap {
                OverCap::Clamp => asked.min(self.cap),
                OverCap::Surface | OverCap::Honor => asked,
            },
            asked,
            refuses: over && self.over_cap == OverCap::Surface,
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
            min_pause: Duration::ZERO,
        }
    }
}

/// Refuses a jitter that may shorten a wait. It is asked about the longest there is, of which the smallest
/// factor makes a nanosecond.
#[track_caller]
pub(super) fn upward(jitter: Jitter) -> Jitter {
    if *jitter.range(LONGEST).start() < LONGEST {
        let rule = "one that never shortens a wait, such as upward or additive";
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
