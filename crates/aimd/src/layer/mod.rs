mod adaptive;
mod classic;
mod said;
mod windowed;

use std::{sync::Arc, time::Duration};

use tower_layer::Layer;
use tower_throttle_core::{
    BackpressureLayer, Fail, Limit, LimitLayer, Rejected, Respond,
    hold::Head,
    now,
    select::{Alike, Everything, Single},
    track::Tracked,
};
use tower_throttle_retry_after::{
    Beside, Gate, Listen, OverCap, Profile, RetryAfterLayer, Signals, Word,
};

pub use self::{adaptive::AdaptiveLayer, classic::AimdLayer, said::Said};
use crate::{Law, Paced, SharedPaced, time::LONGEST};

/// Finds the rate that a server will bear, and keeps requests to it.
///
/// Called [`AdaptiveLayer`] or [`AimdLayer`], by the [`Law`] that finds the rate. See the
/// [crate docs](crate) for an example.
///
/// # Sharing
///
/// The rate belongs to the layer: clones of the layer, all services that it makes, and their clones
/// share it. A server, or an account, of its own is a layer of its own.
///
/// A setter that shapes the law, the gate or the line (those of the law, `seed`, `cap`, `over_cap`,
/// `max_wait`, `max_waiting`) makes a new rate; a setter of the adapter (`profile`, `filter`, `cost`,
/// `on_reject`, `hold`, `name`) keeps it shared.
///
/// # Errors
///
/// A request that is refused fails with a boxed [`Rejected`], unless
/// [`on_reject`](Self::on_reject) makes a response of it. It is refused if it would wait for longer
/// than [`max_wait`](Self::max_wait), by the rate as it is or as it becomes, and while the server asks
/// for a pause above the [`cap`](Self::cap). Errors of the inner service are passed on, boxed in the
/// first case and untouched in the second. A 429 is a response, and passed on: see
/// [`RetryLayer::around_adaptive`](tower_throttle_retry_after::RetryLayer::around_adaptive).
///
/// # One pause
///
/// A [`Gate`] stands beside the rate, in the same line, and obeys whatever the server asks for to the
/// end, but not longer: it spreads nothing, and a 429 that doesn't say for how long closes it not at
/// all. (With [`Adaptive`](crate::Adaptive), waits below two seconds are left to the law: `Retry-After: 1`
/// is mostly made by rounding up.) Both are the law's, which knows by how much requests must be spread at its rate. So a pause is
/// waited for once.
#[derive(Debug, Clone)]
pub struct PacedLayer<L: Law, F = Everything, W = Alike, R = Fail, H = Head> {
    recipe: Recipe<L>,
    /// What the layer is made of, but for the law.
    gate: RetryAfterLayer<(), F, W, R, H>,
    layer: RetryAfterLayer<Paced<L>, F, W, R, H>,
    limiter: SharedPaced<L>,
}

/// The gate and the rate, in one line.
type Both<L> = (Gate, Paced<L>);

/// Every request waits for both.
type Alone<L, F, W> = Single<Both<L>, F, Beside<W>>;

/// What both hear.
type Ear = Listen<(Word, Word)>;

#[derive(Debug, Clone)]
struct Recipe<L> {
    /// It hasn't begun.
    law: L,
    cap: Duration,
    over_cap: OverCap,
}

impl<L: Law> Recipe<L> {
    /// The law hears of no pause that is longer than the gate's.
    fn paced(&self) -> Paced<L> {
        let longest = match self.over_cap {
            OverCap::Clamp => self.cap,
            OverCap::Surface | OverCap::Honor => LONGEST,
        };
        Paced::new(self.law.clone(), now()).longest_pause(longest)
    }
}

impl<L: Law> PacedLayer<L> {
    /// Keeps requests to what a law of any kind says.
    #[must_use]
    pub fn following(law: L) -> Self {
        let gate = RetryAfterLayer::new()
            .default_pause(Duration::ZERO)
            .max_spread(Duration::ZERO)
            .min_pause(law.min_pause());
        let recipe = Recipe {
            law,
            cap: Signals::CAP,
            over_cap: OverCap::default(),
        };
        Self::made(recipe, gate)
    }

    /// Judges responses by a closure `Fn(Result<&Response, &Error>) -> Word` (say the types of its
    /// arguments) instead of by what [`Listen`] hears. For responses that aren't of HTTP.
    ///
    /// It comes last: what is made has the setters of a [`LimitLayer`].
    #[must_use]
    pub fn classify<G>(
        self,
        classify: G,
    ) -> LimitLayer<Alone<L, Everything, Alike>, Tracked<Said<G>>> {
        LimitLayer::new(self.limiter.shared().clone())
            .cost(Beside(Alike))
            .track(Tracked::new(Said(classify)))
    }
}

/// What shapes the rate, the gate and their line. Each makes a new one that nobody shares yet.
impl<L: Law, F: Clone, W: Clone, R: Clone, H: Clone> PacedLayer<L, F, W, R, H> {
    /// The longest pause to obey without asking somebody: see [`Gate::cap`]. Default: 120 s.
    #[must_use]
    pub fn cap(self, cap: Duration) -> Self {
        let recipe = Recipe { cap, ..self.recipe };
        Self::made(recipe, self.gate.cap(cap))
    }

    /// What becomes of a pause above the cap. Default: [`OverCap::Surface`].
    #[must_use]
    pub fn over_cap(self, over_cap: OverCap) -> Self {
        let recipe = Recipe {
            over_cap,
            ..self.recipe
        };
        Self::made(recipe, self.gate.over_cap(over_cap))
    }

    /// The longest a request may wait. Default: no limit, or what a preset says; [`Duration::MAX`] is no
    /// limit. Zero: it passes at once or not at all.
    ///
    /// A request is refused when it comes if it would wait for longer at the rate as it is, and those
    /// in line as soon as a cut or a pause makes it so. A wait of exactly this long is allowed.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        Self::made(self.recipe, self.gate.max_wait(max_wait))
    }

    /// How many requests may wait at once. Default: 1024. Zero: none waits.
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        Self::made(self.recipe, self.gate.max_waiting(max_waiting))
    }

    fn relawed(self, change: impl FnOnce(L) -> L) -> Self {
        let law = change(self.recipe.law);
        Self::made(Recipe { law, ..self.recipe }, self.gate)
    }

    fn try_relawed<E>(self, change: impl FnOnce(L) -> Result<L, E>) -> Result<Self, E> {
        let law = change(self.recipe.law)?;
        Ok(Self::made(Recipe { law, ..self.recipe }, self.gate))
    }

    fn made(recipe: Recipe<L>, gate: RetryAfterLayer<(), F, W, R, H>) -> Self {
        let layer = gate.clone().and(recipe.paced());
        Self::of(recipe, gate, layer)
    }
}

/// What shapes the adapter. The rate stays shared.
impl<L: Law, F, W, R, H> PacedLayer<L, F, W, R, H> {
    /// Whose responses are read: see [`Listen::profile`]. Default: [`Profile::generic`].
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        let gate = self.gate.profile(profile.clone());
        Self::of(self.recipe, gate, self.layer.profile(profile))
    }

    /// Only the requests that `filter` picks wait, and are listened to; the others pass at once. See
    /// [`Filter`](tower_throttle_core::Filter). Default: every request.
    #[must_use]
    pub fn filter<G: Clone>(self, filter: G) -> PacedLayer<L, G, W, R, H> {
        let gate = self.gate.filter(filter.clone());
        PacedLayer::of(self.recipe, gate, self.layer.filter(filter))
    }

    /// Takes the cost of each request, in tokens, from a closure `Fn(&Request) -> u32` (say the type
    /// of its argument). Default: 1. Then every rate is one of tokens.
    #[must_use]
    pub fn cost<V: Clone>(self, cost: V) -> PacedLayer<L, F, V, R, H> {
        let gate = self.gate.cost(cost.clone());
        PacedLayer::of(self.recipe, gate, self.layer.cost(cost))
    }

    /// Answers a refused request with a response. The error type is then that of the inner service,
    /// so that a stack that can't fail still can't.
    #[must_use]
    pub fn on_reject<G, Res>(self, respond: G) -> PacedLayer<L, F, W, Respond<G>, H>
    where
        G: Fn(Rejected) -> Res + Clone,
    {
        let gate = self.gate.on_reject(respond.clone());
        PacedLayer::of(self.recipe, gate, self.layer.on_reject(respond))
    }

    /// What ends a call, and so when the law learns from it: see [`RetryAfterLayer::hold`]. Default:
    /// the [`Head`] of the response.
    #[must_use]
    pub fn hold<I: Clone>(self, hold: I) -> PacedLayer<L, F, W, R, I> {
        let gate = self.gate.hold(hold.clone());
        PacedLayer::of(self.recipe, gate, self.layer.hold(hold))
    }

    /// Names the limiter in errors and events, for all who share it.
    #[must_use]
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        let gate = self.gate.name(Arc::clone(&name));
        Self::of(self.recipe, gate, self.layer.name(name))
    }

    /// The rate that all share: to look at it, to pause and to resume.
    #[must_use]
    pub const fn limiter(&self) -> &SharedPaced<L> {
        &self.limiter
    }

    fn of(
        recipe: Recipe<L>,
        gate: RetryAfterLayer<(), F, W, R, H>,
        layer: RetryAfterLayer<Paced<L>, F, W, R, H>,
    ) -> Self {
        let limiter = SharedPaced::new(layer.limiter().clone());
        Self {
            recipe,
            gate,
            layer,
            limiter,
        }
    }
}

impl<L: Law, H> PacedLayer<L, Everything, Alike, Fail, H> {
    /// Waits in `poll_ready` instead of in the response future, for the same rate.
    ///
    /// It refuses nothing, looks at no request, needs no `Clone` of the inner service and leaves its
    /// error type. Hence a pause above the cap is waited for, and `max_wait` and `max_waiting` don't
    /// bind it.
    #[must_use]
    pub fn backpressure(self) -> BackpressureLayer<Both<L>, Tracked<Ear, H>> {
        self.layer.backpressure()
    }
}

impl<S, L, F, W, R, H> Layer<S> for PacedLayer<L, F, W, R, H>
where
    L: Law,
    F: Clone,
    W: Clone,
    R: Clone,
    H: Clone,
{
    type Service = Limit<S, Alone<L, F, W>, Tracked<Ear, H>, R>;

    fn layer(&self, inner: S) -> Self::Service {
        self.layer.layer(inner)
    }
}
