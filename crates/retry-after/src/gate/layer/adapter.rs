use std::{sync::Arc, time::Duration};

use tower_throttle_core::{Limiter, Rejected, Respond};

use super::{Beside, RetryAfterLayer, SharedGate, Waiting};
use crate::Profile;

/// What shapes the adapter. The gate stays shared.
impl<L: Limiter, F, W, R, H> RetryAfterLayer<L, F, W, R, H> {
    /// Whose responses are read: see [`Listen::profile`](crate::Listen::profile). Default:
    /// [`Profile::generic`].
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        let listen = self.listen.profile(profile);
        Self { listen, ..self }
    }

    /// For how long a response closes the gate that says *too much*, but not for how long: see
    /// [`Listen::default_pause`](crate::Listen::default_pause). Default: 1 s. Zero: not at all; for a
    /// limiter [beside](Self::and) it that finds its own answer to that.
    #[must_use]
    pub fn default_pause(self, pause: Duration) -> Self {
        let listen = self.listen.default_pause(pause);
        Self { listen, ..self }
    }

    /// Closes the gate as soon as a limit has nothing remaining: see
    /// [`Listen::act_on_exhausted`](crate::Listen::act_on_exhausted). Default: only what refuses a
    /// request closes it.
    #[must_use]
    pub fn act_on_exhausted(self) -> Self {
        let listen = self.listen.act_on_exhausted();
        Self { listen, ..self }
    }

    /// Only the requests that `filter` picks wait, and are listened to; the others pass at once. See
    /// [`Filter`](tower_throttle_core::Filter). Default: every request.
    #[must_use]
    pub fn filter<G>(self, filter: G) -> RetryAfterLayer<L, G, W, R, H> {
        self.waiting(|layer| layer.filter(filter))
    }

    /// Takes what each request costs the limiter beside the gate from a closure `Fn(&Request) ->
    /// L::Cost`. Default: one token.
    #[must_use]
    pub fn cost<V>(self, cost: V) -> RetryAfterLayer<L, F, V, R, H> {
        self.waiting(|layer| layer.cost(Beside(cost)))
    }

    /// Answers a refused request with a response. The error type is then that of the inner service,
    /// so that a stack that can't fail still can't.
    ///
    /// To a retry further out it is an answer like any other, and no longer a request that was never sent:
    /// let it say `Retry-After`.
    #[must_use]
    pub fn on_reject<G, Res>(self, respond: G) -> RetryAfterLayer<L, F, W, Respond<G>, H>
    where
        G: Fn(Rejected) -> Res,
    {
        self.waiting(|layer| layer.on_reject(respond))
    }

    /// What ends a call, and so when the gate learns from it. Default: the
    /// [`Head`](tower_throttle_core::hold::Head) of the response.
    ///
    /// With [`Body`](tower_throttle_core::hold::Body) it is the end of the body, so that the trailers
    /// of a gRPC stream that fails half-way are heard too; the response is then of another type, and
    /// every pause counts from there. A call that fails before it has an answer says so in the head, and
    /// of a call whose head says for how long to wait the trailers [go unheard](crate::Listen#grpc-streams).
    #[must_use]
    pub fn hold<I>(self, hold: I) -> RetryAfterLayer<L, F, W, R, I> {
        RetryAfterLayer {
            limiter: self.limiter,
            listen: self.listen,
            hold,
            layer: self.layer,
        }
    }

    /// Names the gate in errors and events, for all who share it; but not in those `rate_limit_hit` that
    /// are heard in [trailers](crate::Listen::name).
    #[must_use]
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        Self {
            limiter: self.limiter.name(Arc::clone(&name)),
            listen: self.listen.name(name),
            ..self
        }
    }

    /// The gate that all share: to look at it, to close and to open it by hand.
    #[must_use]
    pub const fn limiter(&self) -> &SharedGate<L> {
        &self.limiter
    }

    fn waiting<G, V, Q>(
        self,
        change: impl FnOnce(Waiting<L, F, W, R>) -> Waiting<L, G, V, Q>,
    ) -> RetryAfterLayer<L, G, V, Q, H> {
        RetryAfterLayer {
            limiter: self.limiter,
            listen: self.listen,
            hold: self.hold,
            layer: change(self.layer),
        }
    }
}
