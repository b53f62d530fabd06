use std::time::Duration;

/// How long a line may get, and how long one may stand in it.
///
/// Belongs to the limiter, so it is the same for all who share it. Services with
/// [`backpressure`](crate::Backpressure) are not bound by it: they can't be told no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    max_wait: Option<Duration>,
    max_waiting: usize,
}

impl Queue {
    /// Waits for as long as it takes, 1024 requests at most.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_wait: None,
            max_waiting: 1024,
        }
    }

    /// The longest a request may wait. Default: no limit. Zero: it passes at once or not at all.
    ///
    /// A limiter that can predict (every rate can) refuses a request on arrival if it would have to
    /// wait for longer; a wait of exactly this long is allowed. Later it refuses, at once, whoever
    /// would have to wait for longer because a setting changed. Without a prediction a request is
    /// refused when its time is up.
    #[must_use]
    pub const fn max_wait(self, max_wait: Duration) -> Self {
        Self {
            max_wait: Some(max_wait),
            ..self
        }
    }

    /// How many requests may wait at once. Default: 1024. Zero: none waits.
    #[must_use]
    pub const fn max_waiting(self, max_waiting: usize) -> Self {
        Self {
            max_waiting,
            ..self
        }
    }

    pub(crate) const fn longest_wait(&self) -> Option<Duration> {
        self.max_wait
    }

    pub(crate) const fn has_room(&self, waiting: usize) -> bool {
        waiting < self.max_waiting
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}
