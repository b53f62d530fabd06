use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::kind::Kind;

/// How much may be retried, by all who share it: an outage must not be answered with a multiple of the
/// load.
///
/// A retry costs tokens, a success brings some. Once they are spent, a failed request is not retried:
/// its response or error goes to the caller as it is.
///
/// ```text
///  tokens   500  486  472 …  10          10   24                at 14 for a transient failure
///  result   503  503  503    503         200  200 after a retry
///  retried  yes  yes  yes    no: 10 < 14  –    –
/// ```
///
/// The numbers are those of the AWS SDKs' standard retries, version 2.1: 500 tokens, 14 for a transient
/// failure, 5 for a throttled one; a success at the first attempt brings 1, a success after a retry
/// brings back what its last retry cost; requests that may not be retried bring nothing
/// ([`max_retries`](super::RetryLayer::max_retries) of 0). Tokens don't come back with time: only successes show that the
/// server bears more.
///
/// # Sharing
///
/// Clones share the tokens, whatever costs each of them has. Every [`RetryLayer`](crate::RetryLayer) has
/// a budget of its own, which its clones and services share; give several layers clones of one budget
/// if they call the same server.
///
/// # Differences from `tower::retry::budget::TpsBudget`
///
/// The tokens are integers, so that no share is rounded to another (there 30 % comes out as 33 %, and
/// 60 % and more as 100 %: tower#857). They are taken in one step, so that two can't take the last one,
/// and there is no clock, so that an idle time costs nothing. It implements
/// [`tower::retry::budget::Budget`], and can take its place: each withdrawal costs as much as a transient
/// failure.
#[derive(Debug, Clone)]
pub struct Budget {
    tokens: Arc<AtomicU32>,
    capacity: u32,
    transient: u32,
    throttled: u32,
    gain: u32,
}

impl Budget {
    /// As many tokens as this, and never more, with the costs of [AWS](Self).
    ///
    /// With 0 nothing that costs anything is retried.
    #[must_use]
    pub fn new(tokens: u32) -> Self {
        Self {
            tokens: Arc::new(AtomicU32::new(tokens)),
            capacity: tokens,
            transient: 14,
            throttled: 5,
            gain: 1,
        }
    }

    /// Retries cost nothing. Something else must keep them in bounds.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(0).transient(0).throttled(0)
    }

    /// What a retry after a transient failure costs, in tokens. Default: 14. Zero is free.
    #[must_use]
    pub fn transient(self, tokens: u32) -> Self {
        Self {
            transient: tokens,
            ..self
        }
    }

    /// What a retry after the server, or a limiter of our own, said *too much* costs, in tokens.
    /// Default: 5. Zero is free.
    #[must_use]
    pub fn throttled(self, tokens: u32) -> Self {
        Self {
            throttled: tokens,
            ..self
        }
    }

    /// What a success at the first attempt brings, in tokens. Default: 1.
    #[must_use]
    pub fn gain(self, tokens: u32) -> Self {
        Self {
            gain: tokens,
            ..self
        }
    }

    /// How many tokens there are now.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.tokens.load(Ordering::Relaxed)
    }

    pub(super) fn cost(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Transient => self.transient,
            Kind::Throttled | Kind::Refused => self.throttled,
        }
    }

    /// Takes all of `tokens` or none.
    pub(super) fn spend(&self, tokens: u32) -> bool {
        self.update(|level| level.checked_sub(tokens)).is_ok()
    }

    /// A success: `cost` is what its last retry cost, if it had any.
    pub(super) fn succeed(&self, cost: Option<u32>) {
        self.refund(cost.unwrap_or(self.gain));
    }

    pub(super) fn refund(&self, tokens: u32) {
        // A full budget isn't written to: requests that succeed don't contend for it.
        let _ = self.update(|level| {
            let more = level.saturating_add(tokens).min(self.capacity);
            (more > level).then_some(more)
        });
    }

    /// The number of tokens is all that the atomic guards, so any order will do.
    fn update(&self, change: impl FnMut(u32) -> Option<u32>) -> Result<u32, u32> {
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.tokens.fetch_update(set, fetch, change)
    }
}

/// 500 tokens.
impl Default for Budget {
    fn default() -> Self {
        Self::new(500)
    }
}

impl tower::retry::budget::Budget for Budget {
    fn deposit(&self) {
        self.succeed(None);
    }

    fn withdraw(&self) -> bool {
        self.spend(self.transient)
    }
}
