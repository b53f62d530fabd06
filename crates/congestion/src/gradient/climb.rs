use super::Nepers;

/// How far a limit rises in the time of one latency where there is room: `limit^POWER · (GENTLE · e + STEEP
/// · e²)`, where `e` is the room, at most [`MOST_ROOM`]. By time, since those with small limits have fewer
/// windows; and less than in proportion, so that they gain on those with large ones while all climb.
const POWER: f64 = 0.65;
const GENTLE: f64 = 0.1;
const STEEP: f64 = 0.05;
const MOST_ROOM: Nepers = 0.5;

/// The climb ends when so little room is left.
const NEAR: Nepers = 0.15;

/// Then the limit stays, while the latency is within a quarter of what was aimed at.
const BAND: Nepers = 0.25;

/// How much of what is too much in latency is taken from the limit in one window.
const DESCENT: f64 = 0.5;

/// A client climbs on if it has so many in flight at least, and the slope of latency over limit says that
/// more in flight means more throughput: see [`Climb::pays`].
const LARGE: f64 = 5.0;
const SLOPE: std::ops::Range<f64> = 0.2..0.65;
const MOST_EXTRA: Nepers = 0.4;
const EXTRA: Nepers = 0.08;

/// Over which growth of the limit (a factor of 1.3 to 1.7) the slope of the latency is measured.
const STRETCH: Nepers = 0.25;

/// Finding the limit from below, and staying there.
#[derive(Debug, Clone)]
pub(super) struct Climb {
    climbing: bool,
    /// How much slower than aimed at the server may be, since it pays.
    extra: Nepers,
    start: Option<Step>,
    /// Where the slope is measured from.
    before: Option<Step>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    limit: Nepers,
    latency: Nepers,
}

impl Climb {
    pub(super) fn new() -> Self {
        Self {
            climbing: true,
            extra: 0.0,
            start: None,
            before: None,
        }
    }

    /// Climbs again from here, with what was found to pay.
    pub(super) fn again(&mut self) {
        *self = Self {
            extra: self.extra,
            ..Self::new()
        };
    }

    /// How much slower the server may be than it was aimed at.
    pub(super) fn extra(&self) -> Nepers {
        self.extra
    }

    /// The limit after a window of `span` latencies in which there was so much `room`, or too little.
    pub(super) fn step(&mut self, limit: f64, latency: Nepers, room: Nepers, span: f64) -> f64 {
        if room < -BAND {
            self.again();
            self.climbing = false;
            return limit * (DESCENT * (room + BAND / 2.0)).exp().max(0.5);
        }
        if !self.climbing && room > BAND {
            self.again();
        }
        let slope = self.slope(limit, latency);
        let near = self.climbing && room <= NEAR;
        if near && self.pays(limit, slope) {
            self.extra += EXTRA;
            return limit + rise(limit, 2.0 * EXTRA, span);
        }
        self.climbing &= !near;
        if self.climbing {
            limit + rise(limit, room, span)
        } else {
            limit
        }
    }

    /// Whether more in flight would mean more throughput.
    ///
    /// By Little's law throughput rises as long as latency rises less than in proportion to what is in
    /// flight. In a queue it rises in proportion; not at all, if it is others that are in flight.
    fn pays(&self, limit: f64, slope: Option<f64>) -> bool {
        let slope = slope.is_some_and(|slope| SLOPE.contains(&slope));
        slope && limit >= LARGE && self.extra < MOST_EXTRA
    }

    /// By how much latency has risen over how much the limit has.
    fn slope(&mut self, limit: f64, latency: Nepers) -> Option<f64> {
        let here = Step {
            limit: limit.ln(),
            latency,
        };
        let start = *self.start.get_or_insert(here);
        if here.limit - start.limit > STRETCH {
            self.before = Some(start);
            self.start = Some(here);
        }
        let before = self.before?;
        Some((here.latency - before.latency) / (here.limit - before.limit))
    }
}

/// Never more than to double it.
fn rise(limit: f64, room: Nepers, span: f64) -> f64 {
    let room = room.clamp(0.0, MOST_ROOM);
    let rise = limit.powf(POWER) * (GENTLE * room + STEEP * room * room) * span;
    rise.min(limit)
}
