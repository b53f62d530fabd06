use std::time::{Duration, Instant};

use tower_throttle_core::{Limiter, Report, Snapshot, Wait};
use tower_throttle_retry_after::Word;
use tower_throttle_token_bucket::{OverBurst, TokenBucket, TokenPermit};

use crate::{
    Ended, Law, Sent,
    time::{FASTEST, LONGEST, rate},
};

/// Makes requests keep to the rate of a [`Law`]: a token bucket whose rate changes as the law says.
///
/// It learns from [`Word`]s, and goes beside a [`Gate`](tower_throttle_retry_after::Gate). Most callers
/// should use a layer: [`AdaptiveLayer`](crate::AdaptiveLayer) or [`AimdLayer`](crate::AimdLayer).
///
/// A request that costs more than the burst waits until the bucket is full and leaves a debt
/// ([`OverBurst::Borrow`]), so that large requests pass at any rate.
///
/// # Cancel safety
///
/// A request that was never sent gives its tokens back, and the law forgets it. One that is dropped in
/// flight was sent, and says nothing else.
///
/// # Cost
///
/// The law is told of each send, so there is no way past the lock.
#[derive(Debug, Clone)]
pub struct Paced<L> {
    law: L,
    bucket: TokenBucket,
    longest_pause: Duration,
}

/// A request that was let out, and when.
#[derive(Debug, PartialEq, Eq)]
pub struct PacedPermit {
    tokens: TokenPermit,
    at: Instant,
}

impl PacedPermit {
    fn sent(&self) -> Sent {
        Sent {
            at: self.at,
            tokens: self.tokens.tokens(),
        }
    }
}

impl<L: Law> Paced<L> {
    /// Lets `law` begin.
    #[must_use]
    pub fn new(mut law: L, now: Instant) -> Self {
        law.begin(now);
        let bucket = TokenBucket::new(rate_of(&law, now), now)
            .burst(law.burst().max(1))
            .over_burst(OverBurst::Borrow);
        Self {
            law,
            bucket,
            longest_pause: LONGEST,
        }
    }

    /// The longest pause to tell the law of. Default: any.
    ///
    /// For a gate that [clamps](tower_throttle_retry_after::OverCap::Clamp) what servers ask for.
    #[must_use]
    pub fn longest_pause(mut self, longest: Duration) -> Self {
        self.longest_pause = longest;
        self
    }

    /// The law.
    #[must_use]
    pub const fn law(&self) -> &L {
        &self.law
    }

    /// Forgets a pause of the law. The rate stays.
    pub fn resume(&mut self) {
        self.law.resume();
    }

    /// Tokens per second at `now`.
    #[must_use]
    pub fn rate(&self, now: Instant) -> f64 {
        sane(self.law.rate(now))
    }

    /// Takes over what the law says now.
    fn follow(&mut self, now: Instant) {
        let burst = self.law.burst().max(1);
        if burst != self.bucket.burst_size() {
            // It refuses zero only.
            let _ = self.bucket.set_burst(burst, now);
        }
        let rate = rate_of(&self.law, now);
        if rate != self.bucket.rate() {
            self.bucket.set_rate(rate, now);
        }
    }

    fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.law.paused_until().filter(|until| *until > now)
    }
}

impl<L: Law> Limiter for Paced<L> {
    type Cost = u32;
    type Permit = PacedPermit;
    type Feedback = Word;

    /// By the rate as it was after the latest send or end: it only gets earlier by itself.
    fn check(&self, cost: &u32, now: Instant) -> Wait {
        let pause = self.paused_until(now).map_or(Wait::Now, Wait::Until);
        pause.and(self.bucket.check(cost, now))
    }

    fn take(&mut self, cost: u32, at: Instant) -> PacedPermit {
        let tokens = self.bucket.take(cost, at);
        let permit = PacedPermit { tokens, at };
        self.law.sent(permit.sent());
        self.follow(at);
        permit
    }

    fn cancel(&mut self, permit: PacedPermit, now: Instant) {
        self.law.unsent(permit.sent());
        self.bucket.cancel(permit.tokens, now);
    }

    fn lapse(&mut self, permit: PacedPermit, shelved: u64, now: Instant) {
        self.law.unsent(permit.sent());
        self.bucket.lapse(permit.tokens, shelved, now);
    }

    fn complete(&mut self, permit: PacedPermit, word: Option<Word>, now: Instant) {
        let Some(word) = word else { return };
        let retry_after = word.pause.filter(|pause| !pause.is_zero());
        self.law.ended(Ended {
            sent: permit.sent(),
            now,
            outcome: word.outcome,
            retry_after: retry_after.map(|pause| pause.min(self.longest_pause)),
        });
        self.follow(now);
    }

    /// As if the rate stayed as it is.
    fn predict(&self, ahead: u64, cost: &u32, now: Instant) -> Wait {
        let Some(open) = self.paused_until(now) else {
            return self.bucket.predict(ahead, cost, now);
        };
        let after = self.bucket.predict(ahead, cost, open);
        Wait::Until(open).and(after)
    }

    fn describe(&self, snapshot: &mut Snapshot, now: Instant) {
        self.bucket.describe(snapshot, now);
        snapshot.rate = Some(self.rate(now));
        snapshot.resume_at = snapshot.resume_at.max(self.paused_until(now));
    }

    fn report(&mut self) -> Option<Report> {
        let change = self.law.change()?;
        Some(Box::new(move |name| change.tell(name)))
    }
}

fn rate_of<L: Law>(law: &L, now: Instant) -> tower_throttle_token_bucket::Rate {
    rate(sane(law.rate(now)))
}

/// Whatever a law says, requests leave: once in thirty years at least.
fn sane(rate: f64) -> f64 {
    let slowest = LONGEST.as_secs_f64().recip();
    // Not `clamp`, which lets NaN pass.
    rate.max(slowest).min(FASTEST)
}
