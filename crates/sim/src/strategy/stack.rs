use std::fmt;

use tower::util::BoxCloneService;
use tower_service::Service;
use tower_throttle_core::{BoxError, Snapshot};

use crate::wire::{Answer, Call};

/// A client's HTTP client, with its layers around it.
pub type Caller = BoxCloneService<Call, Answer, BoxError>;

/// The layers of one client around its wire, and a look at the limiter among them.
pub struct Stack {
    caller: Caller,
    look: Look,
}

/// Nothing is seen where there is no limiter.
type Look = Box<dyn Fn() -> Snapshot + Send>;

impl Stack {
    /// Without a limiter to look at.
    pub(super) fn new<S>(service: S) -> Self
    where
        S: Service<Call, Response = Answer, Error = BoxError, Future: Send>,
        S: Clone + Send + 'static,
    {
        Self::watched(service, Snapshot::default)
    }

    /// With one.
    pub(super) fn watched<S>(service: S, look: impl Fn() -> Snapshot + Send + 'static) -> Self
    where
        S: Service<Call, Response = Answer, Error = BoxError, Future: Send>,
        S: Clone + Send + 'static,
    {
        Self {
            caller: Caller::new(service),
            look: Box::new(look),
        }
    }

    /// What sends.
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.caller.clone()
    }

    /// How many may be in flight now, if there is a limit.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        (self.look)().limit
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("limit", &self.limit())
            .finish_non_exhaustive()
    }
}
