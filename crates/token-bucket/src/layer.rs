use std::{sync::Arc, time::Duration};

use tower_layer::Layer;
use tower_throttle_core::{
    BackpressureLayer, Fail, Limit, LimitLayer, Limiter, Rejected, Respond,
    select::{Alike, Everything, Single},
    track::Untracked,
};

use crate::{OverBurst, Rate, SharedRate, SlidingWindow, TokenBucket};

/// Paces requests to a rate.
///
/// Called [`TokenBucketLayer`] or [`SlidingWindowLayer`], by what keeps the rate. See the
/// [crate docs](crate) for examples.
///
/// # Sharing
///
/// The limiter belongs to the layer: clones of the layer, all services that it makes, and their
/// clones share it. Two limits are two layers.
///
/// A setter that shapes the limiter (`burst`, `initial_level`, `over_burst`, `max_wait`,
/// `max_waiting`) makes a new one; a setter of the adapter (`filter`, `cost`, `on_reject`, `name`)
/// keeps it shared. So `layer.clone().filter(f)` limits other requests by the same bucket, and
/// `layer.clone().burst(5)` is a limit of its own.
///
/// # Errors
///
/// A request that is refused fails with a boxed [`Rejected`], unless
/// [`on_reject`](Self::on_reject) makes a response of it. Errors of the inner service are passed on,
/// boxed in the first case and untouched in the second.
#[derive(Debug, Clone)]
pub struct RateLayer<L: Limiter, F = Everything, W = Alike, R = Fail> {
    limiter: SharedRate<L>,
    layer: LimitLayer<Single<L, F, W>, Untracked, R>,
}

/// Paces requests to a rate, with bursts after a pause: see [`TokenBucket`].
pub type TokenBucketLayer<F = Everything, W = Alike, R = Fail> = RateLayer<TokenBucket, F, W, R>;

/// Lets so many requests through in every window of time: see [`SlidingWindow`].
pub type SlidingWindowLayer<F = Everything, W = Alike, R = Fail> =
    RateLayer<SlidingWindow, F, W, R>;

impl RateLayer<TokenBucket> {
    /// Paces requests to `rate`, evenly: the default burst is 1.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self::sharing(&SharedRate::<TokenBucket>::new(rate))
    }
}

impl RateLayer<SlidingWindow> {
    /// Lets `rate.events()` requests through in every `rate.period()`.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self::sharing(&SharedRate::<SlidingWindow>::new(rate))
    }
}

impl<L: Limiter<Cost = u32> + Clone> RateLayer<L> {
    /// Limits requests by a limiter that others use too.
    ///
    /// Give the limiter its `burst` and `max_wait` first: on the layer they make a new one, that
    /// nobody shares.
    #[must_use]
    pub fn sharing(limiter: &SharedRate<L>) -> Self {
        Self {
            limiter: limiter.clone(),
            layer: LimitLayer::new(limiter.shared().clone()),
        }
    }

    /// Waits in `poll_ready` instead of in the response future, for the same limiter.
    ///
    /// Takes the place of `tower::limit::RateLimit`: it refuses nothing, looks at no request, needs
    /// no `Clone` of the inner service, leaves its error type, and works under `Buffer`, `LoadShed`
    /// and `Balance`. Hence `max_wait` and `max_waiting` don't bind it.
    #[must_use]
    pub fn backpressure(self) -> BackpressureLayer<L> {
        self.layer.backpressure()
    }
}

impl<L: Limiter<Cost = u32> + Clone, F, W, R> RateLayer<L, F, W, R> {
    /// Limits only the requests that `filter` picks; the others pass at once.
    ///
    /// A closure `Fn(&Request) -> bool` (say the type of its argument), or
    /// [`UnsafeMethods`](tower_throttle_core::select::UnsafeMethods) for all but GET, HEAD, OPTIONS
    /// and TRACE. Default: every request.
    #[must_use]
    pub fn filter<G>(self, filter: G) -> RateLayer<L, G, W, R> {
        RateLayer {
            limiter: self.limiter,
            layer: self.layer.filter(filter),
        }
    }

    /// Takes the cost of each request, in tokens, from a closure `Fn(&Request) -> u32` (say the
    /// type of its argument). Default: 1.
    ///
    /// A request of cost 0 takes nothing, but keeps its place in line.
    #[must_use]
    pub fn cost<V>(self, cost: V) -> RateLayer<L, F, V, R> {
        RateLayer {
            limiter: self.limiter,
            layer: self.layer.cost(cost),
        }
    }

    /// Answers a refused request with a response. The error type is then that of the inner service,
    /// so that a stack that can't fail still can't.
    #[must_use]
    pub fn on_reject<H, Res>(self, respond: H) -> RateLayer<L, F, W, Respond<H>>
    where
        H: Fn(Rejected) -> Res,
    {
        RateLayer {
            limiter: self.limiter,
            layer: self.layer.on_reject(respond),
        }
    }

    /// The longest a request may wait: see [`SharedRate::max_wait`]. Zero rejects instead of waiting.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.reshaped(|limiter| limiter.max_wait(max_wait))
    }

    /// How many requests may wait at once: see [`SharedRate::max_waiting`]. Default: 1024.
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        self.reshaped(|limiter| limiter.max_waiting(max_waiting))
    }

    /// Names the limiter in errors and events, for all who share it.
    #[must_use]
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        Self {
            limiter: self.limiter.name(name),
            ..self
        }
    }

    /// The limiter: to look at it, to change its rate, to take tokens without a request.
    #[must_use]
    pub const fn limiter(&self) -> &SharedRate<L> {
        &self.limiter
    }

    fn reshaped(self, change: impl FnOnce(SharedRate<L>) -> SharedRate<L>) -> Self {
        let limiter = change(self.limiter);
        let shared = limiter.shared().clone();
        Self {
            limiter,
            layer: self.layer.map_select(|single| single.limiter(shared)),
        }
    }
}

impl<F, W, R> RateLayer<TokenBucket, F, W, R> {
    /// The most tokens at once. Default: 1.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[must_use]
    pub fn burst(self, tokens: u32) -> Self {
        self.reshaped(|limiter| limiter.burst(tokens))
    }

    /// The tokens at the start. Default: as many as the burst.
    #[must_use]
    pub fn initial_level(self, tokens: u32) -> Self {
        self.reshaped(|limiter| limiter.initial_level(tokens))
    }

    /// What happens to a request that costs more than the burst. Default: it is refused at once.
    #[must_use]
    pub fn over_burst(self, over_burst: OverBurst) -> Self {
        self.reshaped(|limiter| limiter.over_burst(over_burst))
    }
}

impl<S, L, F, W, R> Layer<S> for RateLayer<L, F, W, R>
where
    L: Limiter,
    F: Clone,
    W: Clone,
    R: Clone,
{
    type Service = Limit<S, Single<L, F, W>, Untracked, R>;

    fn layer(&self, inner: S) -> Self::Service {
        self.layer.layer(inner)
    }
}
