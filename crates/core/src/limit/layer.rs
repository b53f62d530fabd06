use tower_layer::Layer;

use crate::{
    BackpressureLayer, Limit, Limiter, Rejected, Shared,
    on_reject::{Fail, Respond},
    select::{Alike, Everything, Single},
    track::Untracked,
};

/// Limits requests, each of which waits in its response future.
///
/// This is what the layers of the policies are made of; most callers should use those.
///
/// # Sharing
///
/// The layer owns the limiter. Clones of the layer, the services that it makes, and their clones
/// share it: two limits are two layers.
///
/// # Choosing
///
/// [`BackpressureLayer`](crate::BackpressureLayer) waits before there is a request, in `poll_ready`.
/// Prefer it under `Buffer`, `LoadShed` and `Balance`, and over services that are not `Clone`.
#[derive(Debug, Clone)]
pub struct LimitLayer<P, T = Untracked, R = Fail> {
    select: P,
    track: T,
    on_reject: R,
}

impl<L: Limiter> LimitLayer<Single<L>> {
    /// Limits every request by `shared`, at the same cost.
    #[must_use]
    pub const fn new(shared: Shared<L>) -> Self {
        Self::select(Single::new(shared))
    }
}

impl<P> LimitLayer<P> {
    /// Limits each request by what `select` chooses for it.
    #[must_use]
    pub const fn select(select: P) -> Self {
        Self {
            select,
            track: Untracked,
            on_reject: Fail,
        }
    }
}

impl<P, T, R> LimitLayer<P, T, R> {
    /// Follows each permit that was sent.
    #[must_use]
    pub fn track<U>(self, track: U) -> LimitLayer<P, U, R> {
        LimitLayer {
            select: self.select,
            track,
            on_reject: self.on_reject,
        }
    }

    /// Answers refused requests with a response, which leaves the error type of the inner service.
    #[must_use]
    pub fn on_reject<F, Res>(self, respond: F) -> LimitLayer<P, T, Respond<F>>
    where
        F: Fn(Rejected) -> Res,
    {
        LimitLayer {
            select: self.select,
            track: self.track,
            on_reject: Respond(respond),
        }
    }

    /// Changes how a limiter is selected.
    #[must_use]
    pub fn map_select<Q>(self, change: impl FnOnce(P) -> Q) -> LimitLayer<Q, T, R> {
        LimitLayer {
            select: change(self.select),
            track: self.track,
            on_reject: self.on_reject,
        }
    }
}

impl<L: Limiter, F, W, T, R> LimitLayer<Single<L, F, W>, T, R> {
    /// Limits only the requests that `filter` picks: see [`Filter`](crate::Filter). The others pass.
    #[must_use]
    pub fn filter<G>(self, filter: G) -> LimitLayer<Single<L, G, W>, T, R> {
        self.map_select(|single| single.filter(filter))
    }

    /// Takes the cost of each request from `weigh`: see [`Weigh`](crate::Weigh).
    #[must_use]
    pub fn cost<V>(self, weigh: V) -> LimitLayer<Single<L, F, V>, T, R> {
        self.map_select(|single| single.cost(weigh))
    }

    /// The limiter that all share.
    #[must_use]
    pub const fn limiter(&self) -> &Shared<L> {
        self.select.shared()
    }
}

impl<L: Limiter, T> LimitLayer<Single<L, Everything, Alike>, T, Fail> {
    /// Waits in `poll_ready` instead, with the same limiter.
    #[must_use]
    pub fn backpressure(self) -> BackpressureLayer<L, T> {
        BackpressureLayer::new(self.limiter().clone()).track(self.track)
    }
}

impl<S, P: Clone, T: Clone, R: Clone> Layer<S> for LimitLayer<P, T, R> {
    type Service = Limit<S, P, T, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Limit::new(
            inner,
            self.select.clone(),
            self.track.clone(),
            self.on_reject.clone(),
        )
    }
}
