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
