//! Durations with units, as Go writes them.

use super::number::Decimal;

const NS_PER_SECOND: i64 = 9;

type Unit = (&'static [u8], i64, u128);

/// How a unit is spelt, the power of ten that makes nanoseconds of it, and a factor.
///
/// `µs` comes in three spellings: U+00B5 and U+03BC in UTF-8, and U+00B5 in Latin-1. No spelling is
/// listed after one that it begins with.
const UNITS: [Unit; 9] = [
    (b"ns", 0, 1),
    (b"us", 3, 1),
    ("µs".as_bytes(), 3, 1),
    ("μs".as_bytes(), 3, 1),
    (b"\xb5s", 3, 1),
    (b"ms", 6, 1),
    (b"s", NS_PER_SECOND, 1),
    (b"m", NS_PER_SECOND, 60),
    (b"h", NS_PER_SECOND, 3600),
];

/// Reads `6m0s`, `1.5s`, `500µs`, `7h12m0s` (Go, `time.ParseDuration`, without a sign) as nanoseconds.
///
/// [`u128::MAX`] stands for more than fits.
pub(crate) fn go_duration(text: &[u8]) -> Option<u128> {
    let mut rest = text;
    let mut total = 0_u128;
    loop {
        let digits = rest
            .iter()
            .position(|b| !b.is_ascii_digit() && *b != b'.')?;
        let (number, unit) = rest.split_at(digits);
        let (spelling, scale, factor) = unit_of(unit)?;
        let value = Decimal::plain(number)?.scaled_up(scale);
        total = total.saturating_add(value.saturating_mul(factor));
        rest = &unit[spelling.len()..];
        if rest.is_empty() {
            return Some(total);
        }
    }
}

fn unit_of(text: &[u8]) -> Option<Unit> {
    UNITS
        .into_iter()
        .find(|(spelling, ..)| text.starts_with(spelling))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_counts() {
        let ms = |text: &[u8]| go_duration(text).map(|ns| ns / 1_000_000);
        assert_eq!(ms(b"12ms"), Some(12));
        assert_eq!(ms(b"1s"), Some(1_000));
        assert_eq!(ms(b"2m59.56s"), Some(179_560));
        assert_eq!(ms(b"7h12m0s"), Some(25_920_000));
        assert_eq!(go_duration("500µs".as_bytes()), Some(500_000));
        assert_eq!(go_duration("500μs".as_bytes()), Some(500_000));
        assert_eq!(go_duration(b"500\xb5s"), Some(500_000));
        assert_eq!(go_duration(b"1us1ns"), Some(1_001));
        assert_eq!(go_duration(b"0.1ns"), Some(1));
    }

    #[test]
    fn what_is_not_wholly_a_duration_is_none() {
        for text in [
            "", "5", "s", "-5s", "+5s", "5s ", "5 s", "1h30", "1d", ".5s", "1.2.3s", "1e2s",
        ] {
            assert_eq!(go_duration(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_huge_duration_saturates() {
        let text = format!("{}h", "9".repeat(60));
        assert_eq!(go_duration(text.as_bytes()), Some(u128::MAX));
    }
}
