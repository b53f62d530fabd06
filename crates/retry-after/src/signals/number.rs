//! Decimal numbers as they stand in a header, read exactly.

/// A number of the form `digits[.digits][e digits]`.
///
/// No sign, no infinity, no NaN, no digits but ASCII's, and nothing before or after it: the parsers of
/// the standard library take some of these, and a wait of `inf` or `+5` is a mistake, not a wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal<'a> {
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

/// More than this is as good as infinite: it exceeds the length of any number that is read.
const MAX_EXPONENT: i64 = 1_000_000;

/// 10^39 doesn't fit in 128 bits.
const MAX_ZEROS: i64 = 39;

impl<'a> Decimal<'a> {
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let sign = text.iter().any(|b| matches!(b, b'+' | b'-'));
        Self::json(text).filter(|_| !sign)
    }

    /// A number that JSON has: its exponent may have a sign.
    pub(crate) fn json(text: &'a [u8]) -> Option<Self> {
        let Some(at) = text.iter().position(|b| b.eq_ignore_ascii_case(&b'e')) else {
            return Self::plain(text);
        };
        let (sign, digits) = match &text[at + 1..] {
            [b'-', digits @ ..] => (-1, digits),
            [b'+', digits @ ..] => (1, digits),
            digits => (1, digits),
        };
        let exponent = i64::try_from(integer(digits)?).unwrap_or(MAX_EXPONENT);
        Some(Self {
            exponent: sign * exponent.min(MAX_EXPONENT),
            ..Self::plain(&text[..at])?
        })
    }

    /// A number without an exponent.
    pub(crate) fn plain(text: &'a [u8]) -> Option<Self> {
        let (whole, fraction) = match text.iter().position(|b| *b == b'.') {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let valid = is_digits(whole) && fraction.is_none_or(is_digits);
        valid.then_some(Self {
            whole,
            fraction: fraction.unwrap_or_default(),
            exponent: 0,
        })
    }

    /// The number times 10^`scale`, rounded up. [`u128::MAX`] stands for more than fits.
    pub(crate) fn scaled_up(&self, scale: i64) -> u128 {
        let (value, exact) = self.scaled(scale);
        value.saturating_add(u128::from(!exact))
    }

    /// The number rounded down. [`u64::MAX`] stands for more than fits.
    pub(crate) fn floor(&self) -> u64 {
        u64::try_from(self.scaled(0).0).unwrap_or(u64::MAX)
    }

    /// The number times 10^`scale` without its fraction, and whether there was none.
    fn scaled(&self, scale: i64) -> (u128, bool) {
        let digits = self.whole.iter().chain(self.fraction);
        let len = length(self.whole) + length(self.fraction);
        let point = length(self.whole) + self.exponent + scale;
        let kept = usize::try_from(point.clamp(0, len)).unwrap_or_default();
        let value = digits.clone().take(kept).fold(0, push_digit);
        let exact = digits.skip(kept).all(|digit| *digit == b'0');
        (push_zeros(value, point - len), exact)
    }
}

/// A number of digits only. [`u128::MAX`] stands for more than fits.
pub(crate) fn integer(text: &[u8]) -> Option<u128> {
    is_digits(text).then(|| text.iter().fold(0, push_digit))
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn length(text: &[u8]) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX / 4)
}

fn push_digit(value: u128, digit: &u8) -> u128 {
    let digit = u128::from(digit.wrapping_sub(b'0'));
    value.saturating_mul(10).saturating_add(digit)
}

fn push_zeros(value: u128, zeros: i64) -> u128 {
    (0..zeros.min(MAX_ZEROS)).fold(value, |value, _| value.saturating_mul(10))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn up(text: &str, scale: i64) -> Option<u128> {
        Some(Decimal::parse(text.as_bytes())?.scaled_up(scale))
    }

    #[test]
    fn a_number_is_read_exactly_and_rounded_up() {
        assert_eq!(up("0.1", 9), Some(100_000_000));
        assert_eq!(up("007", 3), Some(7_000));
        assert_eq!(up("1e2", 0), Some(100));
        assert_eq!(up("1.25E1", 0), Some(13));
        assert_eq!(up("0.0000000001", 9), Some(1));
        assert_eq!(up("0.0", 9), Some(0));
    }

    #[test]
    fn too_large_a_number_saturates_and_zero_stays_zero() {
        assert_eq!(up("1e999", 9), Some(u128::MAX));
        assert_eq!(up("1e99999999999999999999999", 9), Some(u128::MAX));
        assert_eq!(up("0e99999999999999999999999", 9), Some(0));
        assert_eq!(up(&"9".repeat(400), 0), Some(u128::MAX));
        assert_eq!(up(&format!("0.{}1", "0".repeat(400)), 9), Some(1));
    }

    #[test]
    fn the_exponent_of_a_number_in_json_may_have_a_sign() {
        let up = |text: &str| Some(Decimal::json(text.as_bytes())?.scaled_up(9));
        assert_eq!(up("1e+2"), Some(100_000_000_000));
        assert_eq!(up("12.5E-1"), Some(1_250_000_000));
        assert_eq!(up("1e-9"), Some(1));
        assert_eq!(up("1e-99999999999999999999999"), Some(1));
        assert_eq!(up("0e-99999999999999999999999"), Some(0));
        for text in ["-1", "+1", "1e--2", "1e-", "1e+-2"] {
            assert_eq!(up(text), None, "{text}");
        }
    }

    /// `u64::from_str` and `f64::from_str` take some of these; `headers` and linkerd read `+5`.
    #[test]
    fn what_is_not_wholly_a_number_is_none() {
        for text in [
            "", "+5", "-1", ".5", "5.", "inf", "NaN", "0x10", "1_0", "1e", "e1", "1e+2", "1e-2",
            "1.2.3", " 1", "1 ", "١٢", "1e2e3", "12;a",
        ] {
            assert_eq!(up(text, 9), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn scaling_agrees_with_integer_arithmetic(
            whole in 0_u64..1_000_000_000_000,
            fraction in 0_u32..1_000_000,
        ) {
            let text = format!("{whole}.{fraction:06}");
            let millionths = u128::from(whole) * 1_000_000 + u128::from(fraction);
            prop_assert_eq!(up(&text, 6), Some(millionths));
            prop_assert_eq!(up(&text, 3), Some(millionths.div_ceil(1000)));
            prop_assert_eq!(Decimal::parse(text.as_bytes()).map(|n| n.floor()), Some(whole));
        }
    }
}
