//! What there is to know about a vendor, and which vendors there are.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::{Profile, aws, azure_openai, envoy, github, okta, prisjakt, reddit, sentry};
use crate::signals::{
    draft::Repeated,
    heard::Reader,
    limit::Limit,
    readers,
    reading::Reading,
    time::{Base, Unit},
};

/// What is particular about a vendor. [`GENERIC`] is what isn't.
pub(super) struct Vendor {
    pub(super) readers: &'static [Reader],
    pub(super) reset_unit: Unit,
    pub(super) repeated: Repeated,
    /// Finds a wait where only this vendor has one.
    pub(super) explicit: fn(&Profile, &HeaderMap, &Base) -> Option<Reading>,
    /// Fits a wait into bounds.
    pub(super) adjust: fn(&Profile, Reading) -> Reading,
    /// The statuses that are about throttling, beside 429 and 503.
    pub(super) throttles: &'static [StatusCode],
    /// Says how long to wait if nothing else does.
    pub(super) fallback: fn(&Profile, StatusCode) -> Option<Duration>,
    /// Says when the next request should go.
    pub(super) next: fn(&Profile, &[Limit]) -> Option<Duration>,
    /// Finds the text of a wait in a message for people.
    #[cfg_attr(
        not(feature = "json"),
        expect(dead_code, reason = "only bodies have messages")
    )]
    pub(super) in_message: for<'a> fn(&'a str) -> Option<&'a str>,
}

pub(super) const GENERIC: Vendor = Vendor {
    readers: readers::ALL,
    reset_unit: Unit::BySize,
    repeated: Repeated::Longest,
    explicit: |_, _, _| None,
    adjust: |_, reading| reading,
    throttles: &[],
    fallback: |_, _| None,
    next: |_, _| None,
    in_message: |_| None,
};
pub(super) static GENERIC_VENDOR: Vendor = GENERIC;

/// All profiles there are.
pub(super) static VENDORS: &[(&str, &Vendor)] = &[
    ("generic", &GENERIC_VENDOR),
    ("akamai", &GENERIC_VENDOR),
    ("anthropic", &GENERIC_VENDOR),
    ("atlassian", &GENERIC_VENDOR),
    ("aws", &aws::VENDOR),
    ("azure-openai", &azure_openai::VENDOR),
    ("basecamp", &GENERIC_VENDOR),
    ("discord", &GENERIC_VENDOR),
    ("dropbox", &GENERIC_VENDOR),
    ("envoy-reset", &envoy::VENDOR),
    ("github", &github::VENDOR),
    ("google", &GENERIC_VENDOR),
    ("groq", &GENERIC_VENDOR),
    ("grpc", &GENERIC_VENDOR),
    ("hubspot", &GENERIC_VENDOR),
    ("jira-dc", &GENERIC_VENDOR),
    ("kong", &GENERIC_VENDOR),
    ("linear", &GENERIC_VENDOR),
    ("okta", &okta::VENDOR),
    ("openai", &GENERIC_VENDOR),
    ("prisjakt", &prisjakt::VENDOR),
    ("reddit", &reddit::VENDOR),
    ("sentry", &sentry::VENDOR),
    ("shopify", &GENERIC_VENDOR),
    ("slack", &GENERIC_VENDOR),
    ("stripe", &GENERIC_VENDOR),
    ("zendesk", &GENERIC_VENDOR),
];
