use super::Nepers;

/// How much longer than with little to do the server may take, as a part.
const EXTRA: f64 = 0.55;

/// How far a limit `l` rises in the time of a latency where there is room `e`: `RISE · e · l^POWER`, and
/// `l / MANY` times as far if that is more. By time, since those with small limits have fewer windows; the less, the
/// larger they are, so that they come nearer to each other while all climb. But who has many calls in flight
/// sees sooner what it does, and may climb faster.
const RISE: f64 = 1.1;
const POWER: f64 = -0.35;
const MANY: f64 = 4.0;

/// In a window, it rises by such a part at most.
const LEAP: f64 = 0.7;

/// More room than this makes it no faster: else those with a higher baseline would get ahead.
const MOST_ROOM: Nepers = 0.22;

/// Who fell because the baseline was that of another server climbs so many times as fast, up to such a part of the
/// limit of before.
const QUICK: f64 = 2.5;
const LOST: f64 = 0.8;

/// Until all have probed, its limit is no higher than it was; until they do once more, if it has had fewer windows
/// since: some may not know yet.
const SETTLED: u32 = 10;

/// The climb ends when so little room is left.
const NEAR: Nepers = 0.1;

/// The weight of the last window in that: it doesn't end with one that is slow by chance.
const WEIGHT: f64 = 0.3;

/// Then the limit stays, while the latency is within so much of what was aimed at.
const BAND: Nepers = 0.25;

/// What part of what is too much is given up in a window.
const FALL: f64 = 0.3;

/// What is left of a limit `l` when all begin anew: `l^EVENING`, but at least such a part.
const EVENING: f64 = 0.6;
const LEAST_REST: f64 = 0.58;

/// Finding the limit from below, and staying there.
#[derive(Debug, Clone)]
pub(super) struct Climb {
    climbing: bool,
    /// Smoothed over the windows of a climb.
    room: Nepers,
    /// The highest limit since all probed.
    highest: f64,
    /// That of the time before.
    before: f64,
    /// The most that was used since all probed.
    used: f64,
    /// It doesn't climb above that.
    most: f64,
    /// That has been so for so many windows.
    bound: u32,
    /// Up to there it climbs faster, as it fell for no reason.
    lost: f64,
}

impl Climb {
    pub(super) fn new() -> Self {
        Self {
            climbing: true,
            room: MOST_ROOM,
            highest: 0.0,
            used: 0.0,
            before: 0.0,
            most: f64::INFINITY,
            bound: 0,
            lost: 0.0,
        }
    }

    /// The server is slower than it seemed. Until all have probed, no limit is higher than it was lately.
    pub(super) fn bind(&mut self) {
        self.most = self.highest.max(self.before);
        self.bound = 0;
        self.lost = self.most * LOST;
    }

    /// The most of the limit that was used since all probed.
    pub(super) fn used(&self) -> f64 {
        self.used
    }

    /// That so much is used.
    pub(super) fn note(&mut self, used: f64) {
        self.used = self.used.max(used);
    }

    /// All have probed.
    pub(super) fn unbind(&mut self) {
        self.before = self.highest;
        (self.highest, self.used) = (0.0, 0.0);
        if self.bound >= SETTLED {
            self.most = f64::INFINITY;
        }
    }

    fn begin(&mut self) {
        (self.climbing, self.room) = (true, MOST_ROOM);
    }

    /// How much slower the server may become. If it is too slow already, that may be by chance.
    pub(super) fn room(baseline: Nepers, latency: Nepers, doubt: Nepers) -> Nepers {
        let room = baseline + EXTRA.ln_1p() - latency;
        if room < 0.0 {
            (room + doubt).min(0.0)
        } else {
            room
        }
    }

    /// The limit to begin anew with, if it was found: those with large limits give up more than those with
    /// small ones, and then all climb.
    pub(super) fn again(&mut self, limit: f64) -> Option<f64> {
        let was_found = !self.climbing;
        self.begin();
        if !was_found {
            return None;
        }
        self.lost = 0.0;
        Some(limit.powf(EVENING).max(limit * LEAST_REST))
    }

    /// The limit after a window of `span` latencies in which there was so much `room`, or too little.
    pub(super) fn step(&mut self, limit: f64, room: Nepers, span: f64) -> f64 {
        self.highest = self.highest.max(limit);
        self.bound = self.bound.saturating_add(1);
        if limit >= self.lost {
            self.lost = 0.0;
        }
        if room < -BAND {
            self.climbing = false;
            return limit * (FALL * (room + BAND / 2.0)).exp().max(0.5);
        }
        if self.climbing {
            self.room += WEIGHT * (room - self.room);
            self.climbing = self.room > NEAR;
        } else if room > BAND {
            self.begin();
        }
        if self.climbing {
            self.rise(limit, room, span)
        } else {
            limit
        }
    }

    fn rise(&self, limit: f64, room: Nepers, span: f64) -> f64 {
        let room = room.clamp(0.0, MOST_ROOM);
        let quick = if limit < self.lost { QUICK } else { 1.0 };
        let speed = quick * RISE * limit.powf(POWER) * (limit / MANY).max(1.0);
        let next = limit + (speed * room * span).min(limit * LEAP);
        next.min(self.most.max(limit))
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::Equal;

    use super::*;

    /// The limit after so many windows of a latency each, with room to spare.
    fn rise(climb: &mut Climb, mut limit: f64, windows: u32) -> f64 {
        for _ in 0..windows {
            limit = climb.step(limit, 1.0, 1.0);
        }
        limit
    }

    #[test]
    fn who_climbs_together_comes_nearer_to_each_other() {
        let [small, large] = [1.0, 4.0].map(|limit| rise(&mut Climb::new(), limit, 10) - limit);
        assert!(small > large, "{small} {large}");
    }

    #[test]
    fn a_large_limit_is_found_within_some_dozen_latencies() {
        let limit = rise(&mut Climb::new(), 75.0, 60);
        assert!(limit > 150.0, "{limit}");
    }

    /// One client of many that took their load for the server's own slowness took the server from them.
    #[test]
    fn a_bound_limit_is_no_higher_than_it_was_until_all_have_probed() {
        let mut climb = Climb::new();
        let highest = rise(&mut climb, 1.0, 10);
        climb.bind();
        assert!(rise(&mut climb, 1.0, 3) <= highest);
        climb.unbind();
        assert!(
            rise(&mut climb, 1.0, 100) <= highest,
            "it has just been bound"
        );

        climb.unbind();
        assert!(rise(&mut climb, 1.0, 100) > 2.0 * highest);
    }

    /// A limit would creep up for ever, as long as the latency is within the band.
    #[test]
    fn a_climb_ends_when_hardly_any_room_is_left_and_begins_again_with_much() {
        let mut climb = Climb::new();
        let mut limit = 20.0;
        for _ in 0..10 {
            limit = climb.step(limit, 0.05, 1.0);
        }
        assert_eq!(climb.step(limit, 0.2, 1.0).total_cmp(&limit), Equal);
        assert!(climb.step(limit, 0.3, 1.0) > limit);
    }

    /// One that was open for long, as hardly anything was sent, tells no more than others.
    #[test]
    fn a_limit_rises_by_seven_tenths_of_itself_in_a_window_however_long() {
        let next = Climb::new().step(10.0, 1.0, 1e6);
        assert!((next - 17.0).abs() < 1e-9, "{next}");
    }

    #[test]
    fn who_begins_anew_gives_up_the_more_the_larger_its_limit_is() {
        let again = |limit: f64| {
            let mut climb = Climb::new();
            assert_eq!(climb.again(limit), None, "it has not been found");
            climb.step(limit, -1.0, 1.0);
            climb.again(limit).expect("it has been found") / limit
        };
        let [small, medium, large] = [1.5, 3.0, 100.0].map(again);
        assert!(small < 0.9 && medium < 0.9 * small, "{small} {medium}");
        assert!((large - LEAST_REST).abs() < 1e-9, "{large}");
    }
}
