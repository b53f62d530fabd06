use tower_layer::Layer;

use crate::{Backpressure, Limiter, Shared, track::Untracked};

/// Limits requests by making the service wait in `poll_ready`.
///
/// It only waits: it refuses nothing, looks at no request, and leaves the error type of the inner
/// service. So it can stand wherever `tower::limit::RateLimit` and `ConcurrencyLimit` stand: under
/// `Buffer`, `LoadShed` and `Balance`.
///
/// # Sharing
///
/// As with [`LimitLayer`](crate::LimitLayer): all that come from one layer share its limiter, and
/// stand in one line with the services of the other form.
#[derive(Debug)]
pub struct BackpressureLayer<L: Limiter, T = Untracked> {
    shared: Shared<L>,
    track: T,
}

impl<L: Limiter> BackpressureLayer<L> {
    /// Waits for `shared`, at [`Cost::ONE`](crate::Cost::ONE).
    #[must_use]
    pub const fn new(shared: Shared<L>) -> Self {
        Self {
            shared,
            track: Untracked,
        }
    }
}

impl<L: Limiter, T> BackpressureLayer<L, T> {
    /// Follows each permit that was sent.
    #[must_use]
    pub fn track<U>(self, track: U) -> BackpressureLayer<L, U> {
        BackpressureLayer {
            shared: self.shared,
            track,
        }
    }

    /// The limiter that all share.
    #[must_use]
    pub const fn limiter(&self) -> &Shared<L> {
        &self.shared
    }
}

impl<S, L: Limiter, T: Clone> Layer<S> for BackpressureLayer<L, T> {
    type Service = Backpressure<S, L, T>;

    fn layer(&self, inner: S) -> Self::Service {
        Backpressure::new(inner, self.shared.clone(), self.track.clone())
    }
}

impl<L: Limiter, T: Clone> Clone for BackpressureLayer<L, T> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            track: self.track.clone(),
        }
    }
}
