use std::time::Instant;

use tower_throttle_core::{Limiter, Report, Room, Snapshot, Wait};
use tower_throttle_retry_after::{Concurrency, Word};

use crate::{Congestion, CongestionPermit, Estimator, Gradient};

/// A [`Congestion`] that heeds what the server says of the requests in flight, beside a
/// [gate](tower_throttle_retry_after::Gate) and whatever else stands in one line with it.
///
/// What the server [declares](Concurrency::AtMost) is a [ceiling](Congestion::set_ceiling). A request that it refuses
/// because [too many are in flight](Concurrency::TooMany), which is how Okta and Stripe say it, lowers the limit
/// [beside a rate](Congestion::beside_rate), too.
///
/// ```
/// use tower_throttle_congestion::{Congestion, Gradient, meeting};
/// use tower_throttle_core::now;
/// use tower_throttle_retry_after::RetryAfterLayer;
/// use tower_throttle_token_bucket::{Rate, TokenBucket};
///
/// let rate = TokenBucket::new(Rate::per_second(50), now());
/// let concurrency = Congestion::with(Gradient::new().meeting(meeting())).beside_rate();
/// let layer = RetryAfterLayer::new().and((rate, concurrency.heeding()));
/// # drop(tower_layer::Layer::<()>::layer(&layer, ()));
/// ```
///
/// [`Heed`](crate::Heed) does the same for a [`CongestionLayer`](crate::CongestionLayer).
#[derive(Debug, Clone)]
pub struct Heeding<E = Gradient>(Congestion<E>);

impl<E: Estimator> Congestion<E> {
    /// Heeds what the server says of the requests in flight, too.
    #[must_use]
    pub const fn heeding(self) -> Heeding<E> {
        Heeding(self)
    }
}

impl<E> Heeding<E> {
    /// The limiter.
    #[must_use]
    pub const fn congestion(&self) -> &Congestion<E> {
        &self.0
    }

    /// The limiter, to set its limit or another ceiling.
    pub const fn congestion_mut(&mut self) -> &mut Congestion<E> {
        &mut self.0
    }
}

impl<E: Estimator> Limiter for Heeding<E> {
    type Cost = ();
    type Permit = CongestionPermit;
    type Feedback = Word;

    fn check(&self, cost: &(), now: Instant) -> Wait {
        self.0.check(cost, now)
    }

    fn take(&mut self, cost: (), at: Instant) -> CongestionPermit {
        self.0.take(cost, at)
    }

    fn cancel(&mut self, permit: CongestionPermit, now: Instant) {
        self.0.cancel(permit, now);
    }

    fn complete(&mut self, permit: CongestionPermit, word: Option<Word>, now: Instant) {
        let concurrency = word.and_then(|word| word.concurrency);
        if let Some(Concurrency::AtMost(ceiling)) = concurrency {
            self.0.set_ceiling(Some(ceiling));
        }
        let outcome = word.map(|word| word.outcome);
        if concurrency == Some(Concurrency::TooMany) {
            self.0.end(&permit, outcome, now);
        } else {
            self.0.complete(permit, outcome, now);
        }
    }

    fn predict(&self, ahead: (), cost: &(), now: Instant) -> Wait {
        self.0.predict(ahead, cost, now)
    }

    fn given_up(word: Word) -> Word {
        Word {
            outcome: Congestion::<E>::given_up(word.outcome),
            ..word
        }
    }

    fn room(&self) -> Option<Room> {
        self.0.room()
    }

    fn entered(&mut self, requests: u32, era: u64) {
        self.0.entered(requests, era);
    }

    fn enter(room: Room, at: Instant) -> Option<CongestionPermit> {
        Congestion::<E>::enter(room, at)
    }

    fn describe(&self, snapshot: &mut Snapshot, now: Instant) {
        self.0.describe(snapshot, now);
    }

    fn report(&mut self) -> Option<Report> {
        self.0.report()
    }
}
