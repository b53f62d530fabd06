//! AWS, retry specification 2.1: `x-amz-retry-after` in whole milliseconds, and never much more or any
//! less than the client's own backoff.

use std::time::Duration;

use http::StatusCode;

use super::{GENERIC, Profile, Vendor};
use crate::signals::reading::{Reading, Source};

/// What the server may add to the client's own backoff.
const MAX_EXTRA: Duration = Duration::from_secs(5);

pub(super) static VENDOR: Vendor = Vendor {
    adjust,
    fallback,
    ..GENERIC
};

fn adjust(profile: &Profile, reading: Reading) -> Reading {
    let theirs = matches!(reading.source(), Source::Header(name) if name == "x-amz-retry-after");
    match profile.backoff {
        Some(own) if theirs => {
            let wait = reading.wait().clamp(own, own.saturating_add(MAX_EXTRA));
            reading.lasting(wait)
        }
        _ => reading,
    }
}

fn fallback(profile: &Profile, status: StatusCode) -> Option<Duration> {
    let failed = status.is_client_error() || status.is_server_error();
    profile.backoff.filter(|_| failed)
}
