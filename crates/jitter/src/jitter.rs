use std::{ops::RangeInclusive, time::Duration};

use crate::{Generator, InvalidFactor};

/// A way of spreading a delay: which share of it is fixed and which is left to chance.
///
/// A `Jitter` is a plain value without randomness of its own: every method that draws is given a [`Generator`].
/// See the [crate docs](crate) for a picture of each shape.
///
/// ```
/// use std::time::Duration;
/// use tower_throttle_jitter::{Generator, Jitter};
///
/// let mut generator = Generator::seeded(7);
/// let delay = Jitter::full().delay(Duration::from_secs(1), &mut generator);
/// assert!(delay <= Duration::from_secs(1));
/// ```
///
/// # Choosing
///
/// [`full`](Self::full) for a backoff of one's own: in Amazon's simulation of contending clients it needed the
/// fewest calls. [`proportional`](Self::proportional) for rates and for periodic work, where the mean must hold.
/// [`upward`](Self::upward) or [`additive`](Self::additive) for a wait that a server asked for, which may be
/// exceeded and never undercut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter(Shape);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    None,
    Full,
    Equal,
    Decorrelated,
    Proportional(f64),
    Upward(f64),
    Additive(Duration),
}

impl Jitter {
    /// Leaves everything as it is: exactly the base.
    #[must_use]
    pub const fn none() -> Self {
        Self(Shape::None)
    }

    /// `U[0, base]`.
    ///
    /// "Full jitter" of Marc Brooker, *Exponential Backoff And Jitter*, AWS Architecture Blog, 2015.
    #[must_use]
    pub const fn full() -> Self {
        Self(Shape::Full)
    }

    /// `base/2 + U[0, base/2]`: at least half of the base is kept.
    ///
    /// "Equal jitter" of the same article.
    #[must_use]
    pub const fn equal() -> Self {
        Self(Shape::Equal)
    }

    /// `U[base, 3 × previous]`, where `previous` is what was drawn before, and at first `base`.
    ///
    /// "Decorrelated jitter" of the same article; there and in a [`Backoff`](crate::Backoff) it is
    /// `min(cap, U[base, 3 × previous])`. Only a backoff remembers what it drew: anywhere else every draw is a
    /// first one, `U[base, 3 × base]`.
    #[must_use]
    pub const fn decorrelated() -> Self {
        Self(Shape::Decorrelated)
    }

    /// `base × U[1 − factor, 1 + factor]`: the mean is the base.
    ///
    /// The [default](Self::default) has a factor of 0.20; 0 leaves the base exactly as it is.
    ///
    /// # Panics
    ///
    /// Unless `0 ≤ factor < 1`. [`try_proportional`](Self::try_proportional) returns the error instead.
    #[must_use]
    #[track_caller]
    pub fn proportional(factor: f64) -> Self {
        Self::try_proportional(factor).unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`proportional`](Self::proportional), for a factor that may be wrong.
    ///
    /// # Errors
    ///
    /// Unless `0 ≤ factor < 1`.
    pub fn try_proportional(factor: f64) -> Result<Self, InvalidFactor> {
        let factor = InvalidFactor::unless_share("jitter factor", factor)?;
        Ok(Self(Shape::Proportional(factor)))
    }

    /// `base × U[1, 1 + factor]`: never shorter than the base, which a server may have asked for.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_throttle_jitter::{Generator, Jitter};
    ///
    /// let retry_after = Duration::from_secs(5);
    /// let wait = Jitter::upward(0.25).delay(retry_after, &mut Generator::new());
    /// assert!(wait >= retry_after && wait <= Duration::from_millis(6_250));
    /// ```
    ///
    /// # Panics
    ///
    /// Unless `0 ≤ factor < 1`. [`try_upward`](Self::try_upward) returns the error instead.
    #[must_use]
    #[track_caller]
    pub fn upward(factor: f64) -> Self {
        Self::try_upward(factor).unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`upward`](Self::upward), for a factor that may be wrong.
    ///
    /// # Errors
    ///
    /// Unless `0 ≤ factor < 1`.
    pub fn try_upward(factor: f64) -> Result<Self, InvalidFactor> {
        let factor = InvalidFactor::unless_share("jitter factor", factor)?;
        Ok(Self(Shape::Upward(factor)))
    }

    /// `base + U[0, spread]`: never shorter than the base, however short that is.
    #[must_use]
    pub const fn additive(spread: Duration) -> Self {
        Self(Shape::Additive(spread))
    }

    /// The shortest and the longest delay that can be drawn for `base`, both included.
    ///
    /// Ends that don't fit a [`Duration`] saturate. A jitter suits a wait that a server asked for if the start of
    /// this range is never below `base`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_throttle_jitter::Jitter;
    ///
    /// let second = Duration::from_secs(1);
    /// assert_eq!(Jitter::equal().range(second), second / 2..=second);
    /// assert_eq!(Jitter::additive(second).range(second), second..=2 * second);
    /// ```
    #[must_use]
    pub fn range(self, base: Duration) -> RangeInclusive<Duration> {
        let (down, up, spread) = self.reach();
        let shortest = base.saturating_sub(scale(base, down));
        let longest = base.saturating_add(scale(base, up));
        shortest..=longest.saturating_add(spread)
    }

    /// Draws a delay for `base`, uniformly from its [range](Self::range).
    #[must_use = "drawing a delay doesn't wait"]
    pub fn delay(self, base: Duration, generator: &mut Generator) -> Duration {
        generator.within(self.range(base))
    }

    /// Draws a factor to multiply a quantity by: for [`proportional`](Self::proportional) `U[1 − f, 1 + f]`.
    ///
    /// It is [`apply`](Self::apply) to 1.
    pub fn next(self, generator: &mut Generator) -> f64 {
        self.apply(1.0, generator)
    }

    /// Spreads a quantity that isn't a duration, such as a rate.
    ///
    /// [`additive`](Self::additive) counts its spread in seconds here. What isn't finite stays as it is, and what
    /// is never becomes infinite.
    ///
    /// ```
    /// use tower_throttle_jitter::{Generator, Jitter};
    ///
    /// let rate = Jitter::default().apply(100.0, &mut Generator::seeded(7));
    /// assert!((80.0..=120.0).contains(&rate));
    /// ```
    pub fn apply(self, quantity: f64, generator: &mut Generator) -> f64 {
        self.at(quantity, generator.unit())
    }

    /// What [`apply`](Self::apply) answers when `unit` is drawn: 0 gives the lower end, 1 the upper.
    ///
    /// For tests, and for whoever has randomness of his own.
    #[must_use]
    pub fn at(self, quantity: f64, unit: f64) -> f64 {
        if !quantity.is_finite() {
            return quantity;
        }
        let (down, up, spread) = self.reach();
        let finite = |number: f64| number.clamp(f64::MIN, f64::MAX);
        let low = quantity - quantity * down;
        let width = finite(quantity * (down + up) + spread.as_secs_f64());
        finite(low + width * unit)
    }

    /// How far a draw may lie below and above the base, as shares of it, and how much more may be added.
    fn reach(self) -> (f64, f64, Duration) {
        match self.0 {
            Shape::None => (0.0, 0.0, Duration::ZERO),
            Shape::Full => (1.0, 0.0, Duration::ZERO),
            Shape::Equal => (0.5, 0.0, Duration::ZERO),
            Shape::Decorrelated => (0.0, 2.0, Duration::ZERO),
            Shape::Proportional(factor) => (factor, factor, Duration::ZERO),
            Shape::Upward(factor) => (0.0, factor, Duration::ZERO),
            Shape::Additive(spread) => (0.0, 0.0, spread),
        }
    }

    pub(crate) fn is_decorrelated(self) -> bool {
        self == Self::decorrelated()
    }
}

/// [`Jitter::proportional`] with a factor of 0.20.
impl Default for Jitter {
    fn default() -> Self {
        Self(Shape::Proportional(0.20))
    }
}

/// `base × factor`, saturating, for a factor that is finite and not negative. Whole factors are exact.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from a float saturates, and so does what follows"
)]
pub(crate) fn scale(base: Duration, factor: f64) -> Duration {
    let whole = base.as_nanos().saturating_mul(factor as u128);
    // A long base isn't exact as a float: a part of it must not come out above it.
    let part = base.mul_f64(factor.fract()).min(base);
    from_nanos(whole).saturating_add(part)
}

fn from_nanos(nanos: u128) -> Duration {
    const SECOND: u128 = Duration::from_secs(1).as_nanos();
    match (u64::try_from(nanos / SECOND), u32::try_from(nanos % SECOND)) {
        (Ok(seconds), Ok(rest)) => Duration::new(seconds, rest),
        _ => Duration::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_duration_is_exact_for_whole_factors_and_saturates() {
        let longish = Duration::new(34_827_964, 271_792_823);
        assert_eq!(scale(longish, 1.0), longish);
        assert_eq!(scale(longish, 1_024.0), longish * 1_024);
        assert_eq!(
            scale(Duration::from_secs(1), 2.5),
            Duration::from_millis(2_500)
        );
        assert_eq!(scale(Duration::from_nanos(1), f64::MAX), Duration::MAX);
        assert_eq!(scale(Duration::ZERO, f64::MAX), Duration::ZERO);
        assert!(scale(Duration::MAX, 1.0 - f64::EPSILON / 2.0) <= Duration::MAX);
    }
}
