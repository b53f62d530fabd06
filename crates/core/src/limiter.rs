//! The contract of a policy.

use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::{Cost, Pace, Room, Snapshot, Wait};

/// A policy: how many requests may pass, and when.
///
/// A limiter is a plain state machine. It holds no clock, no lock, no task and no waker: it is told
/// the time and what happened, and asked what may happen next. [`Shared`](crate::Shared) puts it
/// behind one lock and one line of waiting requests; the adapters do the rest.
///
/// The life of one request:
///
/// ```text
///            ┌─ Until(t) / Changed: wait in line, ask again ─┐
///            ▼                                               │
///  check ────┴─▶ Now ──▶ take ──▶ permit ──▶ sent ──▶ complete(permit, feedback)
///     │                            │           └ dropped in flight ▶ complete(permit, None)
///     └─▶ Never / Refuse: rejected └ never sent ▶ cancel(permit)
/// ```
///
/// # Laws
///
/// An adapter relies on these; a limiter that breaks one delays or rejects wrongly, but cannot make
/// the adapter panic or hang for ever:
///
/// * If `check` says [`Now`](Wait::Now) at `t`, it says so at every later instant until the limiter
///   is next changed.
/// * If it says [`Until(t)`](Wait::Until), then it says `Now` at `t` unless the limiter was changed
///   in between.
/// * `cancel` undoes `take`.
/// * Time may stand still or go backwards between calls. Nothing panics on that.
///
/// # Several limits at once
///
/// A pair `(A, B)` of limiters is a limiter: a request passes when both let it pass, and takes from
/// both or from neither. Pairs nest.
///
/// # Example
///
/// A limiter that lets one request through each second:
///
/// ```
/// use std::time::{Duration, Instant};
/// use tower_throttle_core::{Limiter, Wait};
///
/// #[derive(Debug)]
/// struct OnePerSecond {
///     free_at: Instant,
/// }
///
/// impl Limiter for OnePerSecond {
///     type Cost = ();
///     type Permit = ();
///     type Feedback = ();
///     const COMPLETES: bool = false;
///
///     fn check(&self, _cost: &(), now: Instant) -> Wait {
///         Wait::until(self.free_at, now)
///     }
///
///     fn take(&mut self, _cost: (), at: Instant) {
///         self.free_at = at + Duration::from_secs(1);
///     }
///
///     fn cancel(&mut self, _permit: (), now: Instant) {
///         self.free_at = now;
///     }
/// }
/// ```
pub trait Limiter: Send + 'static {
    /// What a request asks for: tokens, say. See [`Cost`].
    type Cost: Cost;

    /// What an admitted request holds until it is over.
    type Permit: fmt::Debug + Send + 'static;

    /// What the limiter learns from a finished request; `()` if nothing.
    type Feedback;

    /// Whether [`complete`](Self::complete) does anything. Default: true.
    ///
    /// Say `false` if a permit is spent by being sent, as a token is. The adapter then forgets the
    /// permit at the send: a lock and a clock read less for each request.
    const COMPLETES: bool = true;

    /// How far back a grant to a waiting request may be dated. Default: [`LAG`](crate::LAG).
    ///
    /// Timers fire about a millisecond late. A grant that was due before the timer fired is
    /// therefore taken at the instant when it was due, at most this long ago; otherwise the
    /// lateness of every timer would be lost from the rate. So a limiter that promises *at most `b +
    /// r·T` in any time `T`* keeps the promise by the instants that it was told, and in real time
    /// grants at most `b + r·(T + MAX_LAG)`.
    ///
    /// Say [`Duration::ZERO`] if the promise must hold in real time, and pay with rate. Say
    /// [`Duration::MAX`] if the answer of `check` does not depend on the date of the grants.
    const MAX_LAG: Duration = crate::LAG;

    /// When may a request of this cost pass, if nobody is ahead of it?
    fn check(&self, cost: &Self::Cost, now: Instant) -> Wait;

    /// Lets a request pass that [`check`](Self::check) would let pass at `at`.
    ///
    /// `at` may lie up to [`MAX_LAG`](Self::MAX_LAG) before an instant that the limiter was told
    /// earlier.
    fn take(&mut self, cost: Self::Cost, at: Instant) -> Self::Permit;

    /// Takes back a permit whose request was never sent.
    fn cancel(&mut self, permit: Self::Permit, now: Instant);

    /// Takes back a permit that nobody used for [`SHELF_LIFE`](crate::SHELF_LIFE), while others of
    /// `shelved` in sum lie there too. Default: [`cancel`](Self::cancel).
    ///
    /// What lies on the shelf will be sent as soon as whatever is stuck comes free, all at once. A
    /// rate must see to it that it does not become more and more while everything is stuck.
    fn lapse(&mut self, permit: Self::Permit, shelved: <Self::Cost as Cost>::Sum, now: Instant) {
        let _ = shelved;
        self.cancel(permit, now);
    }

    /// Ends a request that was sent. `feedback` is `None` if it was dropped in flight.
    fn complete(&mut self, permit: Self::Permit, feedback: Option<Self::Feedback>, now: Instant) {
        let _ = (permit, feedback, now);
    }

    /// What is learnt from a call that was given up when its head was known, but not its end. Default: what
    /// the head says. A limiter that learns from how long calls take makes nothing of a success.
    #[must_use]
    fn given_up(feedback: Self::Feedback) -> Self::Feedback {
        feedback
    }

    /// When could a request of this cost pass at the earliest, if requests of `ahead` in sum are
    /// before it?
    ///
    /// With an answer, a request that would wait for too long is rejected when it arrives instead of
    /// when its time is up. Default: [`Changed`](Wait::Changed), which means *no idea*.
    fn predict(&self, ahead: <Self::Cost as Cost>::Sum, cost: &Self::Cost, now: Instant) -> Wait {
        let _ = (ahead, cost, now);
        Wait::Changed
    }

    /// A way past the lock: how requests may pass while nobody waits and nothing else happens.
    /// Default: `None`, there is none.
    ///
    /// A rate gives its [`Pace`] here, and [`passed`](Self::passed) and [`permit`](Self::permit)
    /// with it. The adapter then lets requests pass by one atomic number, and tells the limiter
    /// before it next asks or changes it.
    fn pace(&self) -> Option<Pace> {
        None
    }

    /// Requests have passed by the [`pace`](Self::pace): the bucket will now be full at `full_at`.
    fn passed(&mut self, full_at: Instant) {
        let _ = full_at;
    }

    /// The permit of a request that passed by the [`pace`](Self::pace).
    fn permit(cost: Self::Cost) -> Option<Self::Permit> {
        let _ = cost;
        None
    }

    /// Another way past the lock: how many requests may pass, whatever their costs, while nobody waits
    /// and nothing but the end of calls happens. Default: `None`, there is none.
    ///
    /// A limit on what is in flight gives its [`Room`] here, and [`entered`](Self::entered) and
    /// [`enter`](Self::enter) with it. The adapter then lets requests pass by one atomic number, and tells
    /// the limiter before it next asks or changes it; but a call may
    /// [`complete`](Self::complete) while others pass that the limiter is told of afterwards.
    fn room(&self) -> Option<Room> {
        None
    }

    /// So many requests have passed by the [`room`](Self::room) of this era.
    fn entered(&mut self, requests: u32, era: u64) {
        let _ = (requests, era);
    }

    /// The permit of a request that passed by the [`room`](Self::room), which is what it is with this
    /// request in flight.
    #[must_use]
    fn enter(room: Room, at: Instant) -> Option<Self::Permit> {
        let _ = (room, at);
        None
    }

    /// Writes what there is to see into `snapshot`. Default: nothing.
    fn describe(&self, snapshot: &mut Snapshot, now: Instant) {
        let _ = (snapshot, now);
    }

    /// What has happened since it was last asked that somebody should hear of. Default: nothing.
    ///
    /// The adapter asks under the lock, after it has changed the limiter, and calls what it gets
    /// without the lock: whoever listens may be slow, or come back here.
    fn report(&mut self) -> Option<Report> {
        None
    }
}

/// Tells `tracing` what has happened, for a limiter of this name.
pub type Report = Box<dyn FnOnce(Option<&str>) + Send>;

/// No limit: every request passes. The neutral element of a pair.
impl Limiter for () {
    type Cost = ();
    type Permit = ();
    type Feedback = ();

    const COMPLETES: bool = false;
    const MAX_LAG: Duration = Duration::MAX;

    fn check(&self, _cost: &(), _now: Instant) -> Wait {
        Wait::Now
    }

    fn take(&mut self, _cost: (), _at: Instant) {}

    fn cancel(&mut self, _permit: (), _now: Instant) {}

    fn predict(&self, _ahead: (), _cost: &(), _now: Instant) -> Wait {
        Wait::Now
    }
}

/// All or nothing: a request passes when both let it pass.
impl<A: Limiter, B: Limiter> Limiter for (A, B) {
    type Cost = (A::Cost, B::Cost);
    type Permit = (A::Permit, B::Permit);
    type Feedback = (A::Feedback, B::Feedback);

    const COMPLETES: bool = A::COMPLETES || B::COMPLETES;
    const MAX_LAG: Duration = shorter(A::MAX_LAG, B::MAX_LAG);

    fn check(&self, cost: &Self::Cost, now: Instant) -> Wait {
        self.0.check(&cost.0, now).and(self.1.check(&cost.1, now))
    }

    fn take(&mut self, cost: Self::Cost, at: Instant) -> Self::Permit {
        (self.0.take(cost.0, at), self.1.take(cost.1, at))
    }

    fn cancel(&mut self, permit: Self::Permit, now: Instant) {
        self.0.cancel(permit.0, now);
        self.1.cancel(permit.1, now);
    }

    fn lapse(&mut self, permit: Self::Permit, shelved: <Self::Cost as Cost>::Sum, now: Instant) {
        self.0.lapse(permit.0, shelved.0, now);
        self.1.lapse(permit.1, shelved.1, now);
    }

    fn complete(&mut self, permit: Self::Permit, feedback: Option<Self::Feedback>, now: Instant) {
        let (a, b) = feedback.unzip();
        self.0.complete(permit.0, a, now);
        self.1.complete(permit.1, b, now);
    }

    fn given_up((a, b): Self::Feedback) -> Self::Feedback {
        (A::given_up(a), B::given_up(b))
    }

    fn predict(&self, ahead: <Self::Cost as Cost>::Sum, cost: &Self::Cost, now: Instant) -> Wait {
        let first = self.0.predict(ahead.0, &cost.0, now);
        first.and_if_known(self.1.predict(ahead.1, &cost.1, now))
    }

    fn describe(&self, snapshot: &mut Snapshot, now: Instant) {
        self.0.describe(snapshot, now);
        self.1.describe(snapshot, now);
    }

    fn report(&mut self) -> Option<Report> {
        match (self.0.report(), self.1.report()) {
            (Some(a), Some(b)) => Some(Box::new(move |name| {
                a(name);
                b(name);
            })),
            (a, b) => a.or(b),
        }
    }
}

const fn shorter(a: Duration, b: Duration) -> Duration {
    if a.as_nanos() <= b.as_nanos() { a } else { b }
}
