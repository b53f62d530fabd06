use std::time::Instant;

/// A view of a limiter's live state at one instant.
///
/// What a limiter does not know is `None`: a token bucket has no limit in flight, a concurrency
/// limit has no level. [`Limiter::describe`](crate::Limiter::describe) fills it in.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Tokens that could be taken now; negative while a debt is being paid off.
    pub level: Option<i64>,
    /// The most tokens that could be taken at once.
    pub burst: Option<u32>,
    /// Requests per second.
    pub rate: Option<f64>,
    /// Requests that may be in flight.
    pub limit: Option<u32>,
    /// Requests in flight.
    pub in_flight: Option<u32>,
    /// Everybody waits until this instant.
    pub resume_at: Option<Instant>,
    /// Requests waiting in line.
    pub waiting: usize,
    /// What the requests in line cost together, in tokens; 0 if the limiter doesn't count tokens.
    pub waiting_cost: u64,
}
