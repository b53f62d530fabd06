//! The rows of this suite. Everything that the bench knows of it is here.

pub(crate) const FUTURE: &str = "tower-throttle";
pub(crate) const BACKPRESSURE: &str = "tower-throttle, backpressure";
pub(crate) const SHARED: &str = "tower-throttle SharedBucket";

/// Whether targets apply to the row.
pub(crate) fn is_ours(name: &str) -> bool {
    [FUTURE, BACKPRESSURE, SHARED].contains(&name)
}
