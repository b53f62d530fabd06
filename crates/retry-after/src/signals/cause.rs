use super::{Limit, Signals};

/// What a server says about retrying, whatever the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Directive {
    /// Do retry: `x-should-retry: true`.
    Retry,
    /// Don't retry: `x-should-retry: false`, `x-envoy-ratelimited`, `x-envoy-overloaded`, a
    /// `grpc-retry-pushback-ms` that is negative or garbage, a spent [budget](Cause::Budget).
    NoRetry,
}

/// What a limit was about: not every 429 is a matter of going slower for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Too many requests in flight: shrink the concurrency rather than the rate. A limit of 0 with
    /// nothing remaining (Okta), `Stripe-Rate-Limited-Reason: …-concurrency`.
    Concurrency,
    /// The rate grew too fast: wait, then start slowly. `ramp_limit_exceeded` (Anthropic).
    Growth,
    /// The money is spent: stop, waiting won't help. The spend limits of Anthropic, `insufficient_quota`
    /// (OpenAI).
    Budget,
    /// The quota of the day is spent: stop for today. A `google.rpc.QuotaFailure` whose quota is *per
    /// day*.
    DailyQuota,
}

impl Signals {
    /// What the limit was about, if the server told more than that there is one.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        let in_flight = |limit: &Limit| limit.limit == Some(0) && limit.remaining == Some(0);
        let in_flight = self.limits.iter().any(in_flight);
        self.heard.cause.or(in_flight.then_some(Cause::Concurrency))
    }

    /// How many requests the server declares that it allows in flight, as in `RateLimit-Policy:
    /// "slots";q=10;qu="concurrent-requests"` (draft-ietf-httpapi-ratelimit-headers). The lowest, if there are
    /// several.
    #[must_use]
    pub fn concurrency(&self) -> Option<u64> {
        let in_flight = |limit: &&Limit| limit.unit.as_deref() == Some("concurrent-requests");
        let declared = self.limits.iter().filter(in_flight);
        declared.filter_map(|limit| limit.limit).min()
    }
}
