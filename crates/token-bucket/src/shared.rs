use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tower_throttle_core::{Acquire, Limiter, Permit, Queue, Rejected, Shared, Snapshot, now};

use crate::{OverBurst, Rate, SlidingWindow, TokenBucket};

/// A rate that tasks share: with a layer, with each other, or without tower at all.
///
/// Called [`SharedBucket`] or [`SharedWindow`], by what keeps the rate.
///
/// ```
/// use tower_throttle_token_bucket::{Rate, SharedBucket};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), tower_throttle_core::Rejected> {
/// let bucket = SharedBucket::new(Rate::per_second(10)).burst(5);
///
/// bucket.acquire(3).await?.spend();
/// assert_eq!(bucket.available(), 2);
///
/// let permit = bucket.try_acquire(2)?;
/// drop(permit); // not used after all
/// assert_eq!(bucket.available(), 2);
///
/// bucket.set_rate(Rate::per_second(1)); // those who wait feel it at once
/// # Ok(())
/// # }
/// ```
///
/// # Sharing
///
/// Clones share everything. A setter that shapes the limiter ([`burst`](Self::burst),
/// [`max_wait`](Self::max_wait), …) makes a new one that nobody shares yet, from the settings that
/// this one was made with: call it before cloning, and before changing the rate of one in use.
///
/// # Fairness
///
/// First come, first served, whatever the cost: a large request is not passed by small ones.
///
/// # Cancel safety
///
/// Dropping [`acquire`](Self::acquire) leaves the line; dropping a permit that was not spent gives
/// its tokens back.
#[derive(Debug)]
pub struct SharedRate<L: Limiter> {
    shared: Shared<L>,
    recipe: Arc<Recipe<L>>,
}

/// What a setter starts from.
#[derive(Debug, Clone)]
struct Recipe<L> {
    /// A limiter that was not used yet.
    fresh: L,
    /// Starts such a limiter.
    start: fn(&L, Instant) -> L,
    queue: Queue,
    name: Option<Arc<str>>,
}

/// A [`TokenBucket`] that tasks share.
pub type SharedBucket = SharedRate<TokenBucket>;

/// A [`SlidingWindow`] that tasks share.
pub type SharedWindow = SharedRate<SlidingWindow>;

impl<L: Limiter<Cost = u32> + Clone> SharedRate<L> {
    /// The longest a request may wait. Default: no limit. Zero: it passes at once or not at all.
    ///
    /// A request that would have to wait for longer is refused when it arrives; a wait of exactly
    /// this long is allowed. One that is in line is refused, at once, if a change of the rate makes
    /// its wait too long.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.reshaped(|recipe| recipe.queue = recipe.queue.max_wait(max_wait))
    }

    /// How many may wait at once. Default: 1024. Zero: none waits.
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        self.reshaped(|recipe| recipe.queue = recipe.queue.max_waiting(max_waiting))
    }

    /// Names the limiter in errors and events, for all who share it.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        self.shared.set_name(Arc::clone(&name));
        Arc::make_mut(&mut self.recipe).name = Some(name);
        self
    }

    /// Takes `tokens` if they are there and nobody waits.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the time after which it is worth asking again.
    pub fn try_acquire(&self, tokens: u32) -> Result<Permit<L>, Rejected> {
        self.shared.try_acquire(tokens)
    }

    /// Waits in line for `tokens`.
    ///
    /// Call [`spend`](Permit::spend) on the permit when the request is sent. `let _permit =
    /// bucket.acquire(1).await?;` alone limits nothing: at the end of the scope the tokens go back.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if the wait would be too long, the line is full, or so many tokens can never be
    /// had at once.
    pub fn acquire(&self, tokens: u32) -> Acquire<L> {
        self.shared.acquire(tokens)
    }

    /// The state at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// The limiter and its line, for an adapter.
    #[must_use]
    pub const fn shared(&self) -> &Shared<L> {
        &self.shared
    }

    fn of(fresh: L, start: fn(&L, Instant) -> L) -> Self {
        Self::made_by(Recipe {
            fresh,
            start,
            queue: Queue::new(),
            name: None,
        })
    }

    fn made_by(recipe: Recipe<L>) -> Self {
        let limiter = (recipe.start)(&recipe.fresh, now());
        let shared = Shared::with_queue(limiter, recipe.queue);
        if let Some(name) = &recipe.name {
            shared.set_name(Arc::clone(name));
        }
        Self {
            shared,
            recipe: Arc::new(recipe),
        }
    }

    /// A new limiter with other settings, that nobody shares yet.
    fn reshaped(self, change: impl FnOnce(&mut Recipe<L>)) -> Self {
        let mut recipe = Arc::unwrap_or_clone(self.recipe);
        change(&mut recipe);
        Self::made_by(recipe)
    }

    fn refreshed(self, change: impl FnOnce(L) -> L) -> Self {
        self.reshaped(|recipe| recipe.fresh = change(recipe.fresh.clone()))
    }
}

impl<L: Limiter> Clone for SharedRate<L> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            recipe: Arc::clone(&self.recipe),
        }
    }
}

impl SharedRate<TokenBucket> {
    /// A full bucket with a burst of 1.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self::of(TokenBucket::new(rate, now()), TokenBucket::started_at)
    }

    /// The most tokens at once. Default: 1.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[must_use]
    pub fn burst(self, tokens: u32) -> Self {
        self.refreshed(|bucket| bucket.burst(tokens))
    }

    /// The tokens at the start. Default: as many as fit.
    #[must_use]
    pub fn initial_level(self, tokens: u32) -> Self {
        self.refreshed(|bucket| bucket.initial_level(tokens))
    }

    /// What happens to a request that costs more than the burst. Default: it is refused.
    #[must_use]
    pub fn over_burst(self, over_burst: OverBurst) -> Self {
        self.refreshed(|bucket| bucket.over_burst(over_burst))
    }

    /// Whole tokens that could be taken now; negative while a debt is paid off.
    #[must_use]
    pub fn available(&self) -> i64 {
        self.snapshot().level.unwrap_or_default()
    }

    /// Changes the rate. The level stays; those who wait feel the change at once.
    pub fn set_rate(&self, rate: Rate) {
        self.shared.update(|bucket, now| bucket.set_rate(rate, now));
    }

    /// Changes the burst. The level stays, as far as it fits.
    ///
    /// # Errors
    ///
    /// If it is 0; then nothing changes.
    pub fn set_burst(&self, tokens: u32) -> Result<(), tower_throttle_core::Invalid> {
        self.shared
            .update(|bucket, now| bucket.set_burst(tokens, now))
    }
}

impl SharedRate<SlidingWindow> {
    /// At most `rate.events()` tokens in every `rate.period()`.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self::of(SlidingWindow::new(rate), |fresh, _now| fresh.clone())
    }

    /// Tokens that could be taken now.
    #[must_use]
    pub fn available(&self) -> i64 {
        self.snapshot().level.unwrap_or_default()
    }

    /// Changes the rate. What was admitted counts on; those who wait feel the change at once.
    pub fn set_rate(&self, rate: Rate) {
        self.shared.update(|window, now| window.set_rate(rate, now));
    }
}
