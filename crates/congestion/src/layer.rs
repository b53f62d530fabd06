use std::{sync::Arc, time::Duration};

use tower_layer::Layer;
use tower_throttle_core::{
    BackpressureLayer, Fail, HttpOutcome, Limit, LimitLayer, Rejected, Respond,
    hold::Head,
    select::{Alike, Everything, Single},
    track::{Tracked, Untracked},
};

use crate::{Congestion, Estimator, Gradient, SharedCongestion, meeting};

/// Limits the requests in flight to what the server will bear.
///
/// See the [crate docs](crate) for an example, and [`Gradient`] for how the limit is found.
///
/// # Sharing
///
/// The limiter belongs to the layer: clones of the layer, all services that it makes, and their clones
/// share it. A limit for each server is a layer for each.
///
/// A setter that shapes the limiter or its line (`start`, `min_limit`, `max_limit`, `max_wait`,
/// `max_waiting`, `seed`) makes a new one; a setter of the adapter (`filter`, `classify`, `hold`, `on_reject`,
/// `name`) keeps it shared.
///
/// # Cancel safety
///
/// A request that is given up while it waits leaves the line. One that is given up in flight frees its
/// place, and says nothing about the server. So a timeout belongs *inside* this layer, where a call that takes too
/// long is an error, which lowers the limit: if the callers give up, a server that has stopped answering is sent
/// as much as before.
///
/// # Errors
///
/// A request that is refused fails with a boxed [`Rejected`], unless
/// [`on_reject`](Self::on_reject) makes a response of it. Errors of the inner service are passed on,
/// boxed in the first case and untouched in the second.
#[derive(Debug, Clone)]
pub struct CongestionLayer<
    E: Estimator = Gradient,
    F = Everything,
    R = Fail,
    C = HttpOutcome,
    H = Head,
> {
    limiter: SharedCongestion<E>,
    classify: C,
    hold: H,
    layer: Waiting<E, F, R>,
}

/// The part that waits, without the part that learns.
type Waiting<E, F, R> = LimitLayer<Single<Congestion<E>, F, Alike>, Untracked, R>;

impl CongestionLayer {
    /// Finds the limit by [`Gradient`]; starts at 20, and stays within 1 and 200.
    ///
    /// Clients of one server probe it together, by the clock of the wall: see [`meeting`]. For runs that
    /// can be repeated, in tests say, leave the clock out of it: `with(Gradient::new())`, and a
    /// [`seed`](Self::seed).
    #[must_use]
    pub fn new() -> Self {
        Self::with(Gradient::new().meeting(meeting()))
    }
}

impl Default for CongestionLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Estimator + Clone> CongestionLayer<E> {
    /// Finds the limit by `estimator`; starts at 20, and stays within 1 and 200.
    #[must_use]
    pub fn with(estimator: E) -> Self {
        Self::sharing(&SharedCongestion::with(estimator))
    }

    /// Limits requests by a limiter that others use too.
    ///
    /// Give the limiter its bounds and its `max_wait` first: on the layer they make a new one, that
    /// nobody shares.
    #[must_use]
    pub fn sharing(limiter: &SharedCongestion<E>) -> Self {
        Self {
            limiter: limiter.clone(),
            classify: HttpOutcome,
            hold: Head,
            layer: LimitLayer::new(limiter.shared().clone()),
        }
    }
}

/// What shapes the limiter and its line. Each makes a new limiter that nobody shares yet.
impl<E: Estimator + Clone, F, R, C, H> CongestionLayer<E, F, R, C, H> {
    /// The limit at the start. Default: 20, or the bound that is nearest.
    #[must_use]
    pub fn start(self, limit: u32) -> Self {
        self.reshaped(|limiter| limiter.start(limit))
    }

    /// The lowest limit. Default: 1. Zero counts as 1. It raises the highest limit if that is lower.
    #[must_use]
    pub fn min_limit(self, min: u32) -> Self {
        self.reshaped(|limiter| limiter.min_limit(min))
    }

    /// The highest limit. Default: 200. It lowers the lowest limit if that is higher.
    #[must_use]
    pub fn max_limit(self, max: u32) -> Self {
        self.reshaped(|limiter| limiter.max_limit(max))
    }

    /// The longest a request may wait. Default: no limit. Zero: it passes at once or not at all.
    ///
    /// Nobody knows when a place will be free: so a request that waits is refused when its time is up. But
    /// when a probe is over, is known: who would have to wait for longer than that is refused sooner.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.reshaped(|limiter| limiter.max_wait(max_wait))
    }

    /// How many requests may wait at once. Default: 1024. Zero: none waits.
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        self.reshaped(|limiter| limiter.max_waiting(max_waiting))
    }

    /// Draws the same numbers in each run. Default: the next stream of this process, by host name and
    /// process id; see [`Generator`](tower_throttle_jitter::Generator).
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.reshaped(|limiter| limiter.seed(seed))
    }

    fn reshaped(self, change: impl FnOnce(SharedCongestion<E>) -> SharedCongestion<E>) -> Self {
        let limiter = change(self.limiter);
        let shared = limiter.shared().clone();
        Self {
            limiter,
            layer: self.layer.map_select(|single| single.limiter(shared)),
            ..self
        }
    }
}

/// What shapes the adapter. The limiter stays shared.
impl<E: Estimator, F, R, C, H> CongestionLayer<E, F, R, C, H> {
    /// Limits only the requests that `filter` picks; the others pass at once, and nothing is learnt
    /// from them. See [`Filter`](tower_throttle_core::Filter). Default: every request.
    #[must_use]
    pub fn filter<G>(self, filter: G) -> CongestionLayer<E, G, R, C, H> {
        self.waiting(|layer| layer.filter(filter))
    }

    /// Answers a refused request with a response. The error type is then that of the inner service,
    /// so that a stack that can't fail still can't.
    #[must_use]
    pub fn on_reject<G, Res>(self, respond: G) -> CongestionLayer<E, F, Respond<G>, C, H>
    where
        G: Fn(Rejected) -> Res,
    {
        self.waiting(|layer| layer.on_reject(respond))
    }

    /// What a response means: [`HttpOutcome`] (the default), or a closure `Fn(Result<&Response, &Error>)
    /// -> Outcome` (say the types of its argument).
    ///
    /// [`Throttled`](tower_throttle_core::Outcome::Throttled) and
    /// [`Failed`](tower_throttle_core::Outcome::Failed) lower the limit,
    /// [`Ignored`](tower_throttle_core::Outcome::Ignored) counts as nothing.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> CongestionLayer<E, F, R, D, H> {
        CongestionLayer {
            limiter: self.limiter,
            classify,
            hold: self.hold,
            layer: self.layer,
        }
    }

    /// What ends a call, and so its latency and its place. Default: the [`Head`] of the response.
    ///
    /// With [`Body`](tower_throttle_core::hold::Body) it is the end of the body, with
    /// [`Caller`](tower_throttle_core::hold::Caller) the caller says so.
    ///
    /// Who waits for the end of bodies and [makes responses](Self::on_reject) of refusals gives these a
    /// body that ends no call:
    ///
    /// ```
    /// use std::{convert::Infallible, time::Duration};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    /// use tower_throttle_congestion::CongestionLayer;
    /// use tower_throttle_core::{Rejected, hold::{Body, HeldBody}};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let layer = CongestionLayer::new()
    ///     .start(1)
    ///     .max_wait(Duration::ZERO)
    ///     .hold(Body)
    ///     .on_reject(|rejected: Rejected| {
    ///         let body = HeldBody::free(rejected.to_string());
    ///         Response::builder().status(503).body(body).unwrap()
    ///     });
    /// let server = layer.layer(service_fn(async |_: Request<()>| {
    ///     Ok::<_, Infallible>(Response::new(String::from("done")))
    /// }));
    ///
    /// let first = server.clone().oneshot(Request::new(())).await.unwrap();
    /// let second = server.clone().oneshot(Request::new(())).await.unwrap();
    /// assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 503));
    /// # }
    /// ```
    #[must_use]
    pub fn hold<I>(self, hold: I) -> CongestionLayer<E, F, R, C, I> {
        CongestionLayer {
            limiter: self.limiter,
            classify: self.classify,
            hold,
            layer: self.layer,
        }
    }

    /// Names the limiter in errors and events, for all who share it.
    #[must_use]
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        Self {
            limiter: self.limiter.name(name),
            ..self
        }
    }

    /// The limiter that all share: to look at it, and to take places without a request.
    #[must_use]
    pub const fn limiter(&self) -> &SharedCongestion<E> {
        &self.limiter
    }

    fn waiting<G, Q>(
        self,
        change: impl FnOnce(Waiting<E, F, R>) -> Waiting<E, G, Q>,
    ) -> CongestionLayer<E, G, Q, C, H> {
        CongestionLayer {
            limiter: self.limiter,
            classify: self.classify,
            hold: self.hold,
            layer: change(self.layer),
        }
    }
}

impl<E: Estimator, C, H> CongestionLayer<E, Everything, Fail, C, H> {
    /// Waits in `poll_ready` instead of in the response future, for the same limiter.
    ///
    /// Takes the place of `tower::limit::ConcurrencyLimit`: it refuses nothing, looks at no request,
    /// needs no `Clone` of the inner service and leaves its error type. Hence `max_wait` and
    /// `max_waiting` don't bind it.
    #[must_use]
    pub fn backpressure(self) -> BackpressureLayer<Congestion<E>, Tracked<C, H>> {
        let shared = self.limiter.shared().clone();
        BackpressureLayer::new(shared).track(Tracked::new(self.classify).hold(self.hold))
    }
}

impl<S, E, F, R, C, H> Layer<S> for CongestionLayer<E, F, R, C, H>
where
    E: Estimator,
    F: Clone,
    R: Clone,
    C: Clone,
    H: Clone,
{
    type Service = Limit<S, Single<Congestion<E>, F>, Tracked<C, H>, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let track = Tracked::new(self.classify.clone()).hold(self.hold.clone());
        self.layer.clone().track(track).layer(inner)
    }
}
