use super::Nepers;

/// How much longer than with little to do the server may take, as a part.
const EXTRA: f64 = 0.6;

/// How far a limit `l` rises in the time of a latency where there is room `e`: `RISE · l^POWER · e`. By
/// time, since those with small limits have fewer windows; and far less than in proportion, so that they gain on
/// those with large ones while all climb.
const RISE: f64 = 0.8;
const POWER: f64 = 0.2;

/// More room than this makes it no faster: else those with a higher baseline would get ahead.
const MOST_ROOM: Nepers = 0.25;

/// The climb ends when so little room is left.
const NEAR: Nepers = 0.1;

/// The weight of the last window in that: it doesn't end with one that is slow by chance.
const WEIGHT: f64 = 0.4;

/// Then the limit stays, while the latency is within so much of what was aimed at.
const BAND: Nepers = 0.25;

/// What part of what is too much is given up in a window.
const FALL: f64 = 0.4;

/// What is left of a limit `l` when all begin anew: `l^EVENING`, but at least such a part.
const EVENING: f64 = 0.6;
const LEAST_REST: f64 = 0.5;

/// Finding the limit from below, and staying there.
#[derive(Debug, Clone)]
pub(super) struct Climb {
    climbing: bool,
    /// Smoothed over the windows of a climb.
    room: Nepers,
}

impl Climb {
    pub(super) fn new() -> Self {
        Self {
            climbing: true,
            room: MOST_ROOM,
        }
    }

    /// How much slower the server may become.
    pub(super) fn room(baseline: Nepers, latency: Nepers) -> Nepers {
        baseline + EXTRA.ln_1p() - latency
    }

    /// The limit to begin anew with, if it was found: those with large limits give up more than those with
    /// small ones, and then all climb.
    pub(super) fn again(&mut self, limit: f64) -> Option<f64> {
        let was_found = !self.climbing;
        *self = Self::new();
        was_found.then(|| limit.powf(EVENING).max(limit * LEAST_REST))
    }

    /// The limit after a window of `span` latencies in which there was so much `room`, or too little.
    pub(super) fn step(&mut self, limit: f64, room: Nepers, span: f64) -> f64 {
        if room < -BAND {
            self.climbing = false;
            return limit * (FALL * (room + BAND / 2.0)).exp().max(0.5);
        }
        if self.climbing {
            self.room += WEIGHT * (room - self.room);
            self.climbing = self.room > NEAR;
        } else if room > BAND {
            *self = Self::new();
        }
        if self.climbing {
            let room = room.clamp(0.0, MOST_ROOM);
            let rise = RISE * limit.powf(POWER) * room * span;
            limit + rise.min(limit / 2.0)
        } else {
            limit
        }
    }
}
