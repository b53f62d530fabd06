//! Which limiter a request must pass, and at what cost.

use std::borrow::Cow;

use crate::{Cost, Limiter, Shared};

/// Decides for each request which limiter it must pass, and at what cost.
pub trait Select<Req> {
    /// The limiters to choose from.
    type Limiter: Limiter;

    /// Looks at a request that is about to be sent.
    fn select(&self, request: &Req) -> Selection<'_, Self::Limiter>;
}

/// What a request must pass.
#[derive(Debug)]
pub enum Selection<'a, L: Limiter> {
    /// Nothing: it goes straight through.
    Pass,
    /// This limiter, at this cost.
    Limit(Cow<'a, Shared<L>>, L::Cost),
}

/// Selects one limiter for every request that a filter picks.
#[derive(Debug)]
pub struct Single<L: Limiter, F = Everything, W = Alike> {
    shared: Shared<L>,
    filter: F,
    weigh: W,
}

impl<L: Limiter> Single<L> {
    /// Selects `shared` for every request, each at [`Cost::ONE`].
    #[must_use]
    pub const fn new(shared: Shared<L>) -> Self {
        Self {
            shared,
            filter: Everything,
            weigh: Alike,
        }
    }
}

impl<L: Limiter, F, W> Single<L, F, W> {
    /// Limits only the requests that `filter` picks; the others pass.
    #[must_use]
    pub fn filter<G>(self, filter: G) -> Single<L, G, W> {
        Single {
            shared: self.shared,
            filter,
            weigh: self.weigh,
        }
    }

    /// Takes the cost of each request from `weigh`.
    #[must_use]
    pub fn cost<V>(self, weigh: V) -> Single<L, F, V> {
        Single {
            shared: self.shared,
            filter: self.filter,
            weigh,
        }
    }

    /// Selects another limiter in the place of this one.
    #[must_use]
    pub fn limiter<M: Limiter>(self, shared: Shared<M>) -> Single<M, F, W> {
        Single {
            shared,
            filter: self.filter,
            weigh: self.weigh,
        }
    }

    /// The limiter.
    #[must_use]
    pub const fn shared(&self) -> &Shared<L> {
        &self.shared
    }
}

impl<L: Limiter, F: Clone, W: Clone> Clone for Single<L, F, W> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            filter: self.filter.clone(),
            weigh: self.weigh.clone(),
        }
    }
}

impl<Req, L, F, W> Select<Req> for Single<L, F, W>
where
    L: Limiter,
    F: Filter<Req>,
    W: Weigh<Req, L::Cost>,
{
    type Limiter = L;

    fn select(&self, request: &Req) -> Selection<'_, L> {
        if self.filter.picks(request) {
            Selection::Limit(Cow::Borrowed(&self.shared), self.weigh.weigh(request))
        } else {
            Selection::Pass
        }
    }
}

/// Picks the requests that a limit applies to. Implemented for every `Fn(&Req) -> bool`.
pub trait Filter<Req> {
    /// Whether the limit applies to this request.
    fn picks(&self, request: &Req) -> bool;
}

/// Picks every request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Everything;

/// Picks requests whose method is not safe: all but GET, HEAD, OPTIONS and TRACE
/// ([RFC 9110 §9.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1)).
///
/// For an API that counts only what it has to work for: polling for a result with GET passes.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnsafeMethods;

impl<Req> Filter<Req> for Everything {
    fn picks(&self, _request: &Req) -> bool {
        true
    }
}

impl<B> Filter<http::Request<B>> for UnsafeMethods {
    fn picks(&self, request: &http::Request<B>) -> bool {
        !request.method().is_safe()
    }
}

impl<Req, F: Fn(&Req) -> bool> Filter<Req> for F {
    fn picks(&self, request: &Req) -> bool {
        self(request)
    }
}

/// Says what a request costs. Implemented for every `Fn(&Req) -> C`.
pub trait Weigh<Req, C> {
    /// The cost of this request.
    fn weigh(&self, request: &Req) -> C;
}

/// Every request costs the same: [`Cost::ONE`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Alike;

impl<Req, C: Cost> Weigh<Req, C> for Alike {
    fn weigh(&self, _request: &Req) -> C {
        C::ONE
    }
}

impl<Req, C, F: Fn(&Req) -> C> Weigh<Req, C> for F {
    fn weigh(&self, request: &Req) -> C {
        self(request)
    }
}
