use std::time::{Duration, Instant};

use tower_throttle_core::{Limiter, Outcome, Report, Room, Snapshot, Wait};

use crate::{Bounds, Cause, Change, Estimator, Gradient, Relief, Sample, news::News};

/// Lets so many requests be in flight as the server will bear, as an [`Estimator`] finds out.
///
/// Most callers should use [`CongestionLayer`](crate::CongestionLayer). This is the limiter itself: a
/// plain state machine that pairs with others, a rate beside it or a gate before it.
///
/// ```text
/// limit      3           2     1           2
/// in flight  1  2  3  3  3  2  2  1  1  2  2
///                        └─────┴ debt: nobody is let in until so many have left
/// ```
///
/// # The limit falls below what is in flight
///
/// Nothing in flight is disturbed. Calls that end are not replaced until there are fewer than the limit.
///
/// # Fractions
///
/// With a limit of 2.25, every fourth call that ends leaves room for a third one: the mean in flight is
/// what the limit says, within the whole numbers on both sides. So ten clients can share twelve places.
/// What may be in flight at a moment is always a whole number, [`limit`](Self::limit).
#[derive(Debug, Clone)]
pub struct Congestion<E = Gradient> {
    estimator: E,
    bounds: Bounds,
    /// What the server declared.
    ceiling: Option<u32>,
    /// The limit if there were no bounds.
    wanted: f64,
    /// The limit.
    exact: f64,
    /// The limit without its fraction, and the fraction.
    whole: u32,
    fraction: f64,
    /// How many may be in flight now.
    allowed: u32,
    /// What was left over when the fraction was last rounded.
    rest: f64,
    in_flight: u32,
    /// Counts how often the limit was set, and how many probes began.
    era: u64,
    /// How many of those in flight were sent in this era.
    current: u32,
    /// How many of earlier eras don't count.
    overdue: u32,
    /// The latest instant that a call was over.
    latest: Option<Instant>,
    last_cause: Option<Cause>,
    news: News,
}

/// A request in flight.
#[derive(Debug)]
pub struct CongestionPermit {
    started: Instant,
    in_flight: u32,
    era: u64,
}

impl Congestion {
    /// Finds the limit by [`Gradient`]; starts at 20, and stays within 1 and 200.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Gradient::new())
    }
}

impl Default for Congestion {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Estimator> Congestion<E> {
    /// Finds the limit by `estimator`; starts at 20, and stays within 1 and 200.
    #[must_use]
    pub fn with(estimator: E) -> Self {
        Self {
            estimator,
            bounds: Bounds::new(1, 200),
            ceiling: None,
            wanted: 20.0,
            exact: 20.0,
            whole: 20,
            fraction: 0.0,
            allowed: 20,
            rest: 0.0,
            in_flight: 0,
            era: 0,
            current: 0,
            overdue: 0,
            latest: None,
            last_cause: None,
            news: News::default(),
        }
    }

    /// The limit at the start. Default: 20, or the bound that is nearest.
    #[must_use]
    pub fn start(mut self, limit: u32) -> Self {
        self.wanted = f64::from(limit);
        self.put(self.wanted);
        self
    }

    /// The lowest limit. Default: 1. Zero counts as 1: a limit of 0 would never learn that it is wrong.
    #[must_use]
    pub fn min_limit(mut self, min: u32) -> Self {
        self.bounds = Bounds::new(min, self.bounds.max);
        self.put(self.wanted);
        self
    }

    /// The highest limit. Default: 200.
    #[must_use]
    pub fn max_limit(mut self, max: u32) -> Self {
        self.bounds = Bounds::new(self.bounds.min.min(max), max);
        self.put(self.wanted);
        self
    }

    /// Draws the same numbers in each run. Default: the next stream of this process, by host name and
    /// process id; see [`Generator`](tower_throttle_jitter::Generator).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.estimator.seed(seed);
        self
    }

    /// How many may be in flight now. While a probe is under way, less than the server bears; and before
    /// it begins, nobody may be sent for a moment, whatever the limit.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.allowed.saturating_add(self.overdue)
    }

    /// The limit with its fraction.
    #[must_use]
    pub fn exact_limit(&self) -> f64 {
        self.exact
    }

    /// How many are in flight. More than the limit, if that fell.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The latency of the server while it has little to do, as far as is known.
    #[must_use]
    pub fn baseline(&self) -> Option<Duration> {
        self.estimator.baseline()
    }

    /// Why the limit was last changed; `None` if it is what it was at the start.
    #[must_use]
    pub fn last_cause(&self) -> Option<Cause> {
        self.last_cause
    }

    /// Sets the limit, within its bounds: 0 counts as 1. The estimator goes on from there; a probe that is
    /// under way is over, and what becomes of the calls in flight says nothing about the new limit.
    pub fn set_limit(&mut self, limit: u32) {
        self.restart();
        self.wanted = f64::from(limit);
        self.change(Change::new(self.wanted, Cause::Set));
    }

    /// What the server says is the most; `None` if it says nothing any more. The limit stays at or below
    /// it; 0 counts as 1, since somebody has to ask whether it still holds.
    ///
    /// It hides the limit and doesn't replace it: with a higher one, the limit is what it was before,
    /// unless it has been lowered for another reason meanwhile. If it lowers the limit, a probe that is
    /// under way is over, and what becomes of the calls in flight says nothing about the new limit.
    pub fn set_ceiling(&mut self, ceiling: Option<u32>) {
        if ceiling == self.ceiling {
            return;
        }
        self.ceiling = ceiling;
        if self.effective().clamp(self.exact) < self.exact {
            self.wanted = self.estimator.relief().map_or(self.wanted, |it| it.limit);
            self.restart();
        }
        self.change(Change::new(self.wanted, Cause::Declared));
    }

    /// The estimator.
    #[must_use]
    pub const fn estimator(&self) -> &E {
        &self.estimator
    }

    fn effective(&self) -> Bounds {
        let Some(ceiling) = self.ceiling else {
            return self.bounds;
        };
        let max = ceiling.clamp(1, self.bounds.max);
        Bounds::new(self.bounds.min.min(max), max)
    }

    /// A probe may go below the lowest limit: else it would measure a server under load.
    fn bounds_now(&self) -> Bounds {
        let bounds = self.effective();
        match self.estimator.relief() {
            Some(_) => Bounds::new(1, bounds.max),
            None => bounds,
        }
    }

    /// The limit is another one, and not because of what was learnt.
    fn restart(&mut self) {
        self.estimator.reset();
        self.begin_era();
    }

    fn begin_era(&mut self) {
        self.era = self.era.wrapping_add(1);
        self.current = 0;
        self.overdue = 0;
    }

    fn change(&mut self, change: Change) {
        let before = self.exact;
        self.put(change.limit);
        if differs(self.exact, before) {
            self.last_cause = Some(change.cause);
            self.news.changed(before, self.exact, change.cause);
        }
    }

    fn put(&mut self, limit: f64) {
        if limit.is_nan() {
            return;
        }
        let bounds = self.bounds_now();
        let most = f64::from(bounds.max);
        // What is beyond the bounds is hidden, not forgotten.
        self.wanted = if limit >= most {
            self.wanted.max(limit)
        } else {
            limit
        };
        self.exact = bounds.clamp(limit);
        self.whole = Bounds::whole(self.exact);
        self.fraction = self.exact - f64::from(self.whole);
        self.allowed = self.whole;
    }

    /// Rounds the limit for the next call: up as often as the fraction says.
    fn round(&mut self) {
        self.rest += self.fraction;
        self.allowed = self.whole;
        if self.rest >= 1.0 {
            self.rest -= 1.0;
            self.allowed = self.allowed.saturating_add(1);
        }
    }

    fn learn(
        &mut self,
        permit: &CongestionPermit,
        outcome: Outcome,
        now: Instant,
    ) -> Option<Change> {
        if permit.era != self.era {
            return self.estimator.skip(now, self.exact);
        }
        let sample = Sample::new(permit.started, now, permit.in_flight, outcome);
        self.estimator.learn(&sample, self.exact, self.effective())
    }

    /// Takes over what the estimator says.
    fn follow(&mut self, change: Option<Change>, was_probing: bool) {
        let is_probing = self.estimator.relief().is_some();
        if is_probing && !was_probing {
            self.begin_era();
        } else if !is_probing {
            self.overdue = 0;
        }
        if let Some(change) = change {
            self.change(change);
        }
    }

    /// When one may pass while the limit is lowered for a probe.
    fn check_probe(&self, relief: &Relief, now: Instant) -> Wait {
        let pause = self.estimator.resume_at().unwrap_or(now);
        let at = if self.in_flight < self.limit() {
            pause
        } else if self.in_flight >= Bounds::whole(self.effective().clamp(relief.limit)) {
            return Wait::Changed;
        } else if self.current < self.allowed {
            pause.max(relief.overdue)
        } else {
            relief.at
        };
        Wait::until(at.min(relief.at), now)
    }

    /// Lets somebody in who isn't held up by a probe any more.
    #[cold]
    fn relax(&mut self, relief: &Relief, at: Instant) {
        if at >= relief.at {
            let change = self.estimator.relieve(at);
            self.follow(change, true);
        } else if self.in_flight >= self.limit() {
            let most = Bounds::whole(self.effective().clamp(relief.limit));
            let earlier = self.in_flight.saturating_sub(self.current);
            self.overdue = earlier.min(most.saturating_sub(self.allowed));
        }
    }
}

impl<E: Estimator> Limiter for Congestion<E> {
    type Cost = ();
    type Permit = CongestionPermit;
    type Feedback = Outcome;

    fn check(&self, _cost: &(), now: Instant) -> Wait {
        if let Some(relief) = self.estimator.relief() {
            return self.check_probe(&relief, now);
        }
        if self.in_flight >= self.allowed {
            return Wait::Changed;
        }
        let resume_at = self.estimator.resume_at();
        resume_at.map_or(Wait::Now, |at| Wait::until(at, now))
    }

    fn take(&mut self, _cost: (), at: Instant) -> CongestionPermit {
        if let Some(relief) = self.estimator.relief() {
            self.relax(&relief, at);
        }
        self.in_flight = self.in_flight.saturating_add(1);
        self.current = self.current.saturating_add(1);
        CongestionPermit {
            // A grant may be dated back; it can't have been sent before there was room for it.
            started: self.latest.map_or(at, |latest| latest.max(at)),
            in_flight: self.in_flight,
            era: self.era,
        }
    }

    fn cancel(&mut self, permit: CongestionPermit, now: Instant) {
        self.complete(permit, None, now);
    }

    fn complete(&mut self, permit: CongestionPermit, outcome: Option<Outcome>, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.current -= u32::from(permit.era == self.era && self.current > 0);
        self.overdue = self
            .overdue
            .min(self.in_flight.saturating_sub(self.current));
        self.latest = Some(now);
        let was_probing = self.estimator.relief().is_some();
        let change = match outcome {
            Some(Outcome::Ignored) | None => self.estimator.skip(now, self.exact),
            Some(outcome) => self.learn(&permit, outcome, now),
        };
        self.follow(change, was_probing);
        self.round();
    }

    /// While there is a probe, or a wish for a pause, [`check`](Limiter::check) is asked.
    fn room(&self) -> Option<Room> {
        if self.estimator.relief().is_some() || self.estimator.resume_at().is_some() {
            return None;
        }
        Some(Room {
            free: self.allowed.saturating_sub(self.in_flight),
            in_flight: self.in_flight,
            era: self.era,
        })
    }

    fn entered(&mut self, requests: u32, era: u64) {
        self.in_flight = self.in_flight.saturating_add(requests);
        if era == self.era {
            self.current = self.current.saturating_add(requests);
        }
    }

    fn enter(room: Room, at: Instant) -> Option<CongestionPermit> {
        Some(CongestionPermit {
            started: at,
            in_flight: room.in_flight,
            era: room.era,
        })
    }

    fn describe(&self, snapshot: &mut Snapshot, _now: Instant) {
        snapshot.limit = Some(self.limit());
        snapshot.in_flight = Some(self.in_flight);
    }

    fn report(&mut self) -> Option<Report> {
        self.news.take()
    }
}

fn differs(a: f64, b: f64) -> bool {
    a.total_cmp(&b).is_ne()
}
