//! Sentry: a 429 that says nothing is a minute (`sentry` for Rust, `transports/ratelimit.rs`).

use std::time::Duration;

use http::StatusCode;

use super::{GENERIC, Vendor};

const SILENT: Duration = Duration::from_secs(60);

pub(super) static VENDOR: Vendor = Vendor {
    fallback: |_, status| (status == StatusCode::TOO_MANY_REQUESTS).then_some(SILENT),
    ..GENERIC
};
