//! Wall time, read in one place: only an absolute date needs it.
use std::time::SystemTime;

/// The local wall clock: the fallback where a response says no date of its own.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads wall time"
)]
pub(crate) fn wall_now() -> SystemTime {
    SystemTime::now()
}
