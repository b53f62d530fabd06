use tower_throttle_core::{Cost, Weigh};

/// Weighs requests for the limiter beside the [`Gate`](crate::Gate), which lets each pass for nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<W>(
    /// Says what a request costs.
    pub W,
);

impl<Req, C: Cost, W: Weigh<Req, C>> Weigh<Req, ((), C)> for Beside<W> {
    fn weigh(&self, request: &Req) -> ((), C) {
        ((), self.0.weigh(request))
    }
}
