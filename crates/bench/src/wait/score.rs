//! What a log says: the rate, and the order.

use crate::stats::slope;

/// How far the rate of the grants is from `rate`, in percent.
pub(super) fn slope_error(stamps: &[(f64, f64)], rate: u32) -> f64 {
    (1.0 / slope(stamps) / f64::from(rate) - 1.0) * 100.0
}

/// The longest time between two grants, in milliseconds.
pub(super) fn longest_pause(stamps: &[(f64, f64)]) -> f64 {
    let pauses = stamps.windows(2).map(|pair| (pair[1].1 - pair[0].1) * 1e3);
    pauses.fold(0.0, f64::max)
}

/// Grants to a waiter while an older one still waited, in percent of those after `from`.
pub(super) fn overtakers(tickets: impl Iterator<Item = u32>, from: usize) -> f64 {
    let mut served = Vec::new();
    let mut oldest = 0;
    let (mut grants, mut overtook) = (0_usize, 0_usize);
    for (index, ticket) in tickets.enumerate() {
        let ticket = ticket as usize;
        if index >= from {
            grants += 1;
            overtook += usize::from(ticket > oldest);
        }
        if served.len() <= ticket {
            served.resize(ticket + 1, false);
        }
        served[ticket] = true;
        while served.get(oldest) == Some(&true) {
            oldest += 1;
        }
    }
    100.0 * overtook as f64 / grants as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_in_order_overtake_nobody() {
        assert!(overtakers(0..100, 0).abs() < f64::EPSILON);
    }

    #[test]
    fn all_who_come_before_an_older_one_overtake() {
        let tickets = [1, 2, 0, 3];
        assert!((overtakers(tickets.into_iter(), 0) - 50.0).abs() < f64::EPSILON);
        assert!((overtakers(tickets.into_iter(), 1) - 100.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn half_the_rate_is_fifty_percent_less() {
        let stamps: Vec<(f64, f64)> = (0..50)
            .map(|i| (f64::from(i), f64::from(i) / 50.0))
            .collect();
        assert!((slope_error(&stamps, 100) + 50.0).abs() < 1e-9);
    }
}
