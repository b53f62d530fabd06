//! Who reads which header. Each file reads what is named in it, whatever the profile: a header whose
//! name says whose it is needs no profile to be understood.

mod basecamp;
pub(crate) mod directive;
mod explicit;
pub(crate) mod families;
pub(crate) mod grpc;
mod hubspot;
pub(crate) mod ratelimit;
mod sentry;
mod shopify;
mod zendesk;

use super::heard::Reader;

/// All of them. The first that takes a header reads it.
pub(crate) const ALL: &[Reader] = &[
    explicit::read,
    directive::read,
    grpc::read,
    ratelimit::read,
    sentry::read,
    shopify::read,
    zendesk::read,
    hubspot::read,
    basecamp::read,
    families::read,
];

/// Whether any of them could want a header of this name: most headers can be passed over at a glance.
pub(crate) fn may_want(name: &str) -> bool {
    let begins = ["grpc-", "x-envoy-", "x-rl-"];
    let holds = [b"rate", b"retr", b"-api"];
    let mut parts = name.as_bytes().windows(4);
    parts.any(|part| holds.iter().any(|wanted| part == *wanted))
        || begins.iter().any(|wanted| name.starts_with(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_say_something_is_wanted_and_the_rest_passed_over() {
        for name in [
            "retry-after",
            "retry-after-ms",
            "x-should-retry",
            "grpc-status",
            "grpc-status-details-bin",
            "ratelimit",
            "x-rate-limit-reset",
            "x-rl-limit",
            "x-sentry-rate-limits",
            "x-shopify-shop-api-call-limit",
            "x-envoy-overloaded",
            "stripe-rate-limited-reason",
            "zendesk-ratelimit-tickets-index",
        ] {
            assert!(may_want(name), "{name}");
        }
        for name in [
            "date",
            "te",
            "content-type",
            "x-request-id",
            "strict-transport-security",
        ] {
            assert!(!may_want(name), "{name}");
        }
    }
}
