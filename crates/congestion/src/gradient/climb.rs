use super::Nepers;

/// How far a limit rises in the time of one latency where there is room: `limit^POWER · (GENTLE · e + STEEP
/// · e²)`, where `e` is the room, at most [`MOST_ROOM`]. By time, since those with small limits have fewer
/// windows; and less than in proportion, so that they gain on those with large ones while all climb.
const POWER: f64 = 0.4;
const GENTLE: f64 = 0.1;
const STEEP: f64 = 0.05;
const MOST_ROOM: Nepers = 0.5;

/// The climb ends when so little room is left.
const NEAR: Nepers = 0.1;

/// Then the limit stays, while the latency is within a quarter of what was aimed at.
const BAND: Nepers = 0.25;

/// How much of what is too much in latency is taken from the limit in one window.
const DESCENT: f64 = 0.5;

/// How far it rises instead when the server has turned out to be another one: by such a part of itself
/// where there is [`MOST_ROOM`], until less than [`BAND`] is left (slow start, RFC 5681 §3.1).
const FRESH: f64 = 0.1;

/// Finding the limit from below, and staying there.
#[derive(Debug, Clone)]
pub(super) struct Climb {
    climbing: bool,
    /// Whether the limit says nothing about this server yet.
    fresh: bool,
}

impl Climb {
    pub(super) const fn new() -> Self {
        Self {
            climbing: true,
            fresh: false,
        }
    }

    /// Climbs faster at first: it is another server now.
    pub(super) const fn fresh() -> Self {
        Self {
            climbing: true,
            fresh: true,
        }
    }

    /// Climbs again from here.
    pub(super) fn again(&mut self) {
        self.climbing = true;
    }

    /// The limit after a window of `span` latencies in which there was so much `room`, or too little.
    pub(super) fn step(&mut self, limit: f64, room: Nepers, span: f64) -> f64 {
        self.fresh &= room > BAND;
        if room < -BAND {
            self.climbing = false;
            return limit * (DESCENT * (room + BAND / 2.0)).exp().max(0.5);
        }
        self.climbing = if self.climbing {
            room > NEAR
        } else {
            room > BAND
        };
        if self.climbing {
            limit + self.rise(limit, room, span)
        } else {
            limit
        }
    }

    /// Never more than to double it.
    fn rise(&self, limit: f64, room: Nepers, span: f64) -> f64 {
        let room = room.clamp(0.0, MOST_ROOM);
        let rise = if self.fresh {
            limit * FRESH * room / MOST_ROOM
        } else {
            limit.powf(POWER) * (GENTLE * room + STEEP * room * room)
        };
        (rise * span).min(limit)
    }
}
