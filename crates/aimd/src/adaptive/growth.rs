use std::time::{Duration, Instant};

use super::cubic::Cubic;

/// How the rate grows while nothing is refused, by a clock that stands still as long as there is no
/// proof that the server bears what was reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    curve: Curve,
    /// When the clock was last looked at.
    seen: Instant,
    /// What it said.
    elapsed: Duration,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Curve {
    Doubling {
        /// The time in which the rate doubles.
        time: Duration,
    },
    Cubic(Cubic),
}

impl Growth {
    pub(super) const fn new(curve: Curve, now: Instant) -> Self {
        Self {
            curve,
            seen: now,
            elapsed: Duration::ZERO,
        }
    }

    /// Tokens per second from `start` of them on, if the clock has run since it was last looked at.
    pub(super) fn rate(&self, start: f64, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.seen);
        self.curve.rate(start, self.elapsed.saturating_add(since))
    }

    /// Up to this, no proof is needed.
    pub(super) fn proven(&self) -> f64 {
        match self.curve {
            Curve::Doubling { .. } => 0.0,
            Curve::Cubic(cubic) => cubic.plateau(),
        }
    }

    /// Looks at the clock. As long as more than what is `tried_out` was reached it has stood still, and
    /// it passes that by a `step` at most: where requests are rare, much time lies between two looks.
    pub(super) fn tick(&mut self, start: f64, tried_out: f64, step: Duration, now: Instant) {
        let since = now.saturating_duration_since(self.seen);
        let most = if self.rate(start, now) <= tried_out {
            since
        } else if self.curve.rate(start, self.elapsed) <= tried_out {
            since.min(step)
        } else {
            Duration::ZERO
        };
        self.elapsed = self.elapsed.saturating_add(most);
        self.seen = self.seen.max(now);
    }
}

impl Curve {
    fn rate(&self, start: f64, elapsed: Duration) -> f64 {
        match self {
            Self::Doubling { time } => start * doublings(elapsed, *time),
            Self::Cubic(cubic) => cubic.rate(elapsed),
        }
    }
}

/// The factor of so long a time of doubling.
pub(super) fn doublings(elapsed: Duration, time: Duration) -> f64 {
    (elapsed.as_secs_f64() / time.as_secs_f64().max(1e-9)).exp2()
}
