//! The two steps of the law, as they were published.

/// Multiplicative decrease: what is left of the `effective` limit after a 429.
///
/// `effective · (1 − penalty · jitter)`, but not below `max · floor`.
///
/// ```
/// use tower_throttle_aimd::decrease;
///
/// assert_eq!(decrease(100.0, 100.0, 0.5, 0.1, 1.0), 50.0);
/// assert_eq!(decrease(12.0, 100.0, 0.5, 0.1, 1.0), 10.0); // the floor
/// ```
#[must_use]
pub fn decrease(effective: f64, max: f64, penalty: f64, floor: f64, jitter: f64) -> f64 {
    (effective * (1.0 - penalty * jitter)).max(max * floor)
}

/// Additive increase: the `effective` limit after a success.
///
/// `effective + max · recovery · jitter`, but not above `max`.
///
/// ```
/// use tower_throttle_aimd::increase;
///
/// assert_eq!(increase(50.0, 100.0, 0.1, 0.8), 58.0);
/// assert_eq!(increase(95.0, 100.0, 0.1, 1.0), 100.0);
/// ```
#[must_use]
pub fn increase(effective: f64, max: f64, recovery: f64, jitter: f64) -> f64 {
    (effective + max * recovery * jitter).min(max)
}
