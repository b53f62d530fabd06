use std::{sync::Arc, time::Duration};

use tower_throttle_jitter::{Backoff, Generator, Jitter};

use super::RetryLayer;

/// How long it takes.
impl<C, I> RetryLayer<C, I> {
    /// What to wait by ourselves, at least, unless the server throttled. Default:
    /// [50 ms, doubling up to 20 s, full jitter](Backoff).
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.set(|settings| settings.backoff = backoff)
    }

    /// What to wait by ourselves, at least, if the server throttled. Default: 1 s, doubling up to 20 s,
    /// full jitter.
    #[must_use]
    pub fn throttled_backoff(self, backoff: Backoff) -> Self {
        self.set(|settings| settings.throttled_backoff = backoff)
    }

    /// How far a wait that was asked for is spread, as a share of it, and always upwards: for 0.25, the
    /// default, it is `U[1, 1.25]` times as long. Zero leaves it as it is, so that all who were told the
    /// same come back together.
    ///
    /// # Panics
    ///
    /// Unless `0 ≤ share < 1`.
    #[must_use]
    #[track_caller]
    pub fn spread(self, share: f64) -> Self {
        let spread = Jitter::upward(share);
        self.set(|settings| settings.spread = spread)
    }

    /// Where the randomness comes from, of the spread and of both backoffs as they are set now. Default:
    /// the next streams of this process, [`Generator::new`].
    #[must_use]
    pub fn generator(self, mut generator: Generator) -> Self {
        self.set(|settings| {
            let (backoff, throttled) = (&settings.backoff, &settings.throttled_backoff);
            settings.backoff = backoff.clone().generator(generator.split());
            settings.throttled_backoff = throttled.clone().generator(generator.split());
            settings.generator = Arc::new(generator.into());
        })
    }

    /// The longest wait that a server, or a limiter, may ask for, without the
    /// [guard](crate::Signals::guard). Default: [120 s](crate::Signals::CAP). If it asks for more, the request isn't retried: the caller gets the
    /// response, or the error, that says when to come back. It is never shortened.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.set(|settings| settings.max_wait = max_wait)
    }

    /// How long a request may take up to the beginning of its last attempt, all attempts and waits
    /// before included. Default: as long as it takes.
    ///
    /// It is checked before a wait, not after: a request that would be too late fails at once, also if
    /// it is a limiter further in that would wait as long as the server asks; under
    /// [`Profile::aws`](crate::Profile::aws) too, whose rule may have it shorter. At the deadline itself an
    /// attempt may begin. What the limiters add to that comes on top: their line, their rate, the spread of a gate that opens. An attempt that has
    /// begun isn't cut short, nor is its wait in a limiter; for that, put a timeout outside.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        self.set(|settings| settings.deadline = Some(deadline))
    }
}
