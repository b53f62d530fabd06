//! Envoy's `rate_limited_retry_back_off`: the configuration says which headers to read, and how.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::{GENERIC, Profile, Vendor};
use crate::signals::{
    heard::MAX_VALUE,
    readers::directive,
    reading::{Reading, Source},
    text::{excerpt, trim},
    time::{Base, Timed},
};

/// Envoy's default.
pub(super) const MAX_INTERVAL: Duration = Duration::from_secs(300);

pub(super) static VENDOR: Vendor = Vendor {
    readers: &[directive::read],
    explicit,
    ..GENERIC
};

/// A header to read under [`Profile::envoy_reset`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetHeader {
    /// Its name.
    pub name: HeaderName,
    /// What it holds.
    pub format: ResetFormat,
}

/// What a [`ResetHeader`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetFormat {
    /// Whole seconds from now: Envoy's `SECONDS`.
    Seconds,
    /// Whole seconds since the epoch: Envoy's `UNIX_TIMESTAMP`.
    UnixTimestamp,
}

fn explicit(profile: &Profile, headers: &HeaderMap, base: &Base) -> Option<Reading> {
    let mut readings = profile
        .resets
        .iter()
        .filter_map(|reset| reset.read(headers, base));
    readings.find(|reading| reading.wait() <= profile.max_interval)
}

impl ResetHeader {
    fn read(&self, headers: &HeaderMap, base: &Base) -> Option<Reading> {
        let value = headers
            .get(&self.name)
            .filter(|value| value.len() <= MAX_VALUE)?;
        let text = trim(value.as_bytes());
        let timed = match self.format {
            ResetFormat::Seconds => Timed::whole_seconds(text)?,
            ResetFormat::UnixTimestamp => base.read_future_epoch(text)?,
        };
        let source = Source::Header(self.name.clone());
        Some(Reading::new(timed, source, excerpt(text)))
    }
}
