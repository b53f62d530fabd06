use std::fmt;

/// A factor that makes no sense.
///
/// Of the constructors that come in pairs, the plain one (such as [`Jitter::proportional`]) panics with this
/// message and is meant for factors written in the program; the other (such as [`Jitter::try_proportional`])
/// returns it and is meant for factors that are read from somewhere.
///
/// ```
/// use tower_throttle_jitter::Jitter;
///
/// let error = Jitter::try_proportional(1.0).unwrap_err();
/// assert_eq!(error.to_string(), "jitter factor is 1, but must be at least 0 and less than 1");
/// ```
///
/// [`Jitter::proportional`]: crate::Jitter::proportional
/// [`Jitter::try_proportional`]: crate::Jitter::try_proportional
#[derive(Clone, Debug, PartialEq)]
pub struct InvalidFactor {
    field: &'static str,
    value: f64,
    rule: &'static str,
}

impl InvalidFactor {
    /// Refuses what isn't a share: `0 ≤ value < 1`.
    pub(crate) fn unless_share(field: &'static str, value: f64) -> Result<f64, Self> {
        let rule = "at least 0 and less than 1";
        Self::unless((0.0..1.0).contains(&value), field, value, rule)
    }

    /// Refuses what isn't a growth: `1 ≤ value < ∞`.
    pub(crate) fn unless_growth(field: &'static str, value: f64) -> Result<f64, Self> {
        let rule = "at least 1 and finite";
        Self::unless((1.0..f64::INFINITY).contains(&value), field, value, rule)
    }

    fn unless(
        holds: bool,
        field: &'static str,
        value: f64,
        rule: &'static str,
    ) -> Result<f64, Self> {
        let error = Self { field, value, rule };
        if holds { Ok(value) } else { Err(error) }
    }

    /// Which factor: "jitter factor" or "backoff factor".
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// The value that was refused.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// What the value must be.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for InvalidFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, rule } = self;
        write!(f, "{field} is {value}, but must be {rule}")
    }
}

impl std::error::Error for InvalidFactor {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_field_the_value_and_the_rule() {
        let message = |refused: Result<f64, InvalidFactor>| refused.unwrap_err().to_string();
        assert_eq!(
            message(InvalidFactor::unless_share("jitter factor", f64::NAN)),
            "jitter factor is NaN, but must be at least 0 and less than 1",
        );
        assert_eq!(
            message(InvalidFactor::unless_growth(
                "backoff factor",
                f64::INFINITY
            )),
            "backoff factor is inf, but must be at least 1 and finite",
        );
    }

    #[test]
    fn a_growth_below_one_is_refused_and_one_is_not() {
        assert!(InvalidFactor::unless_growth("", 0.999).is_err());
        assert!(InvalidFactor::unless_growth("", f64::NAN).is_err());
        assert_eq!(InvalidFactor::unless_growth("", 1.0), Ok(1.0));
    }
}
