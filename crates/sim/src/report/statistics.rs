use std::time::Duration;

/// How fairly something is shared: 1 if all have the same, `1/n` if one has it all.
///
/// Jain, Chiu and Hawe, *A Quantitative Measure of Fairness*, DEC-TR-301 (1984).
#[must_use]
pub fn jain(shares: &[u32]) -> f64 {
    let count = f64::from(u32::try_from(shares.len()).unwrap_or(u32::MAX));
    let sum: f64 = shares.iter().copied().map(f64::from).sum();
    let squares: f64 = shares.iter().map(|&share| f64::from(share).powi(2)).sum();
    ratio(sum.powi(2), count * squares).unwrap_or(1.0)
}

/// The smallest value that at least `percent` of all values do not exceed (nearest rank); `None` of
/// nothing.
#[must_use]
pub fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

/// `None` if there is nothing to divide by.
pub(crate) fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shares_are_fair_and_one_for_all_is_not() {
        for (shares, fairness) in [
            (&[5, 5, 5, 5][..], "1"),
            (&[5, 0, 0, 0], "0.25"),
            (&[1, 2, 3], "0.8571428571428571"),
            (&[0, 0], "1"),
            (&[], "1"),
        ] {
            assert_eq!(jain(shares).to_string(), fairness, "{shares:?}");
        }
    }

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let seconds: Vec<_> = (1..=20).map(Duration::from_secs).collect();
        for (percent, rank) in [(0, 1), (5, 1), (50, 10), (95, 19), (96, 20), (100, 20)] {
            assert_eq!(
                percentile(&seconds, percent),
                Some(Duration::from_secs(rank))
            );
        }
        assert_eq!(percentile(&[], 50), None);
    }
}
