//! GitHub: the secondary limit says nothing in its headers, and what remains may be far from zero.

use std::time::Duration;

use http::StatusCode;

use super::{GENERIC, Vendor};

/// "Wait for at least one minute" (GitHub, *Rate limits for the REST API*).
const SECONDARY: Duration = Duration::from_secs(60);

pub(super) static VENDOR: Vendor = Vendor {
    throttles: &[StatusCode::FORBIDDEN],
    fallback: |_, status| {
        let limited = [StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        limited.then_some(SECONDARY)
    },
    ..GENERIC
};
