mod adapter;

use std::time::Duration;

use tower_layer::Layer;
use tower_throttle_core::{
    BackpressureLayer, Fail, Limit, LimitLayer, Limiter,
    hold::Head,
    select::{Alike, Everything, Single},
    track::{Tracked, Untracked},
};
use tower_throttle_jitter::Jitter;

use super::{Beside, Gate, Listen, OverCap, SharedGate, Word, settings, shared::Plan};

/// Holds everybody back when a server says wait.
///
/// A response that says so closes the [`Gate`], and is passed on. Until the gate opens again, all that
/// share the layer wait: requests that come, those that stand in line, and retries that go through it
/// again. What closes it: see [`Listen`]. How it opens: see [`Gate`].
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_throttle_core::now;
/// use tower_throttle_retry_after::RetryAfterLayer;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), tower_throttle_core::BoxError> {
/// # let client = tower::service_fn(async |_: Request<()>| {
/// #     Response::builder().status(429).header("retry-after", "7").body(())
/// # });
/// let layer = RetryAfterLayer::new();
/// let gate = layer.limiter().clone();
/// let client = ServiceBuilder::new().layer(layer).service(client);
///
/// let start = now();
/// let response = client.clone().oneshot(Request::new(())).await?;
/// assert_eq!(response.status(), 429); // "come back in 7 seconds": the caller's to deal with
/// assert!(gate.resume_at() >= Some(start + Duration::from_secs(7)));
///
/// client.oneshot(Request::new(())).await?; // anybody's next request leaves after that
/// assert!(now() >= start + Duration::from_secs(7));
/// # Ok(())
/// # }
/// ```
///
/// # Sharing
///
/// The gate belongs to the layer: clones of the layer, all services that it makes, and their clones
/// share it. A gate for each server or account is a layer for each.
///
/// A setter that shapes the gate or its line (`cap`, `over_cap`, `jitter`, `max_spread`, `min_pause`,
/// `seed`, `and`, `max_wait`, `max_waiting`) makes a new one; a setter of the adapter (`profile`,
/// `default_pause`, `act_on_exhausted`, `filter`, `cost`, `on_reject`, `hold`, `name`) keeps it shared.
///
/// # Errors
///
/// A request that is refused fails with a boxed [`Rejected`](tower_throttle_core::Rejected), unless
/// [`on_reject`](Self::on_reject) makes a response of it. It is refused while the server asks for a
/// pause above the [`cap`](Self::cap), and if it would wait for longer than
/// [`max_wait`](Self::max_wait). Errors of the inner service are passed on, boxed in the first case and
/// untouched in the second.
#[derive(Debug, Clone)]
pub struct RetryAfterLayer<L: Limiter = (), F = Everything, W = Alike, R = Fail, H = Head> {
    limiter: SharedGate<L>,
    listen: Ear<L>,
    hold: H,
    layer: Waiting<L, F, W, R>,
}

/// The part that listens.
type Ear<L> = Listen<(Word, <L as Limiter>::Feedback)>;

/// The part that waits, without the part that listens.
type Waiting<L, F, W, R> = LimitLayer<Single<(Gate, L), F, Beside<W>>, Untracked, R>;

impl RetryAfterLayer {
    /// Obeys pauses of up to 120 s, and refuses requests while the server asks for a longer one.
    #[must_use]
    pub fn new() -> Self {
        let limiter = SharedGate::of(Plan::default());
        Self {
            layer: LimitLayer::new(limiter.shared().clone()).cost(Beside(Alike)),
            limiter,
            listen: Listen::new().learning(),
            hold: Head,
        }
    }
}

impl Default for RetryAfterLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<F, W, R, H> RetryAfterLayer<(), F, W, R, H> {
    /// Puts a limiter beside the gate: a request passes when both let it pass, in one line.
    ///
    /// ```
    /// use tower_throttle_core::now;
    /// use tower_throttle_retry_after::RetryAfterLayer;
    /// use tower_throttle_token_bucket::{Rate, TokenBucket};
    ///
    /// let layer = RetryAfterLayer::new().and(TokenBucket::new(Rate::per_second(10), now()).burst(5));
    /// layer.limiter().update(|bucket, now| bucket.set_rate(Rate::per_second(20), now));
    /// ```
    ///
    /// `limiter` is one that learns nothing, or the [`Outcome`](tower_throttle_core::Outcome) of each
    /// response, or a [`Word`]: whatever can be made of one.
    #[must_use]
    pub fn and<M>(self, limiter: M) -> RetryAfterLayer<M, F, W, R, H>
    where
        M: Limiter<Feedback: From<Word>> + Clone,
    {
        self.moved(|plan| plan.beside(limiter))
    }
}

/// What shapes the gate and its line. Each makes a new gate that nobody shares yet.
impl<L: Limiter + Clone, F, W, R, H> RetryAfterLayer<L, F, W, R, H> {
    /// The longest pause to obey without asking somebody: see [`Gate::cap`]. Default: 120 s.
    #[must_use]
    pub fn cap(self, cap: Duration) -> Self {
        self.replanned(|plan| plan.gate.cap = cap)
    }

    /// What becomes of a pause above the cap. Default: [`OverCap::Surface`].
    #[must_use]
    pub fn over_cap(self, over_cap: OverCap) -> Self {
        self.replanned(|plan| plan.gate.over_cap = over_cap)
    }

    /// How far the end of a pause is spread: see [`Gate::jitter`]. Default: [`Jitter::upward`] by
    /// 0.25.
    ///
    /// # Panics
    ///
    /// If it may shorten the pause.
    #[must_use]
    #[track_caller]
    pub fn jitter(self, jitter: Jitter) -> Self {
        let jitter = settings::upward(jitter);
        self.replanned(|plan| plan.gate.jitter = jitter)
    }

    /// The longest spread. Default: 10 s. Zero: all who wait leave at the end of the pause.
    #[must_use]
    pub fn max_spread(self, max_spread: Duration) -> Self {
        self.replanned(|plan| plan.gate.max_spread = max_spread)
    }

    /// The shortest pause to obey: see [`Gate::min_pause`]. Default: zero, every one.
    #[must_use]
    pub fn min_pause(self, min_pause: Duration) -> Self {
        self.replanned(|plan| plan.gate.min_pause = min_pause)
    }

    /// Draws the same numbers in each run. Default: the next stream of this process, by host name and
    /// process id; see [`Generator`](tower_throttle_jitter::Generator).
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.replanned(|plan| plan.seed = Some(seed))
    }

    /// The longest a request may wait. Default: no limit. Zero: it passes at once or not at all.
    ///
    /// A request is refused when it comes if the gate is closed for longer, and those in line as soon
    /// as a word makes it so; the others when their time is up.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.replanned(|plan| plan.queue = plan.queue.max_wait(max_wait))
    }

    /// How many requests may wait at once. Default: 1024. Zero: none waits.
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        self.replanned(|plan| plan.queue = plan.queue.max_waiting(max_waiting))
    }

    fn replanned(self, change: impl FnOnce(&mut Plan<L>)) -> Self {
        self.moved(|mut plan| {
            change(&mut plan);
            plan
        })
    }

    /// The same with a gate of another plan.
    fn moved<M>(self, plan: impl FnOnce(Plan<L>) -> Plan<M>) -> RetryAfterLayer<M, F, W, R, H>
    where
        M: Limiter + Clone,
    {
        let limiter = SharedGate::of(plan(self.limiter.plan()));
        let shared = limiter.shared().clone();
        RetryAfterLayer {
            limiter,
            listen: self.listen.learning(),
            hold: self.hold,
            layer: self.layer.map_select(|single| single.limiter(shared)),
        }
    }
}

impl<L: Limiter, H> RetryAfterLayer<L, Everything, Alike, Fail, H> {
    /// Waits in `poll_ready` instead of in the response future, for the same gate.
    ///
    /// It refuses nothing, looks at no request, needs no `Clone` of the inner service and leaves its
    /// error type. Hence a pause above the cap is waited for, and `max_wait` and `max_waiting` don't
    /// bind it.
    #[must_use]
    pub fn backpressure(self) -> BackpressureLayer<(Gate, L), Tracked<Ear<L>, H>> {
        let shared = self.limiter.shared().clone();
        BackpressureLayer::new(shared).track(Tracked::new(self.listen).hold(self.hold))
    }
}

impl<S, L, F, W, R, H> Layer<S> for RetryAfterLayer<L, F, W, R, H>
where
    L: Limiter,
    F: Clone,
    W: Clone,
    R: Clone,
    H: Clone,
{
    type Service = Limit<S, Single<(Gate, L), F, Beside<W>>, Tracked<Ear<L>, H>, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let track = Tracked::new(self.listen.clone()).hold(self.hold.clone());
        self.layer.clone().track(track).layer(inner)
    }
}
