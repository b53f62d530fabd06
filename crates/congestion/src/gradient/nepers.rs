use std::time::Duration;

/// A logarithm of seconds, or of a ratio of latencies: 0.1 is ten per cent, nearly.
pub(super) type Nepers = f64;

pub(super) fn nepers(latency: Duration) -> Nepers {
    latency.as_secs_f64().max(1e-9).ln()
}
