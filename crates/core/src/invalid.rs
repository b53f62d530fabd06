use std::fmt;

/// A setting that cannot be used: its name, its value and the rule it breaks.
///
/// # Example
///
/// ```
/// use tower_throttle_core::Invalid;
///
/// let error = Invalid::new("burst", 0, "at least 1");
///
/// assert_eq!(error.to_string(), "burst is 0, but must be at least 1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    field: &'static str,
    value: Box<str>,
    rule: &'static str,
}

impl Invalid {
    /// Says that `field` is `value`, but must be `rule`.
    #[must_use]
    pub fn new(field: &'static str, value: impl fmt::Display, rule: &'static str) -> Self {
        let value = value.to_string().into();
        Self { field, value, rule }
    }

    /// The name of the setting.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// The value that was refused, as text.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What the value must be.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {}, but must be {}",
            self.field, self.value, self.rule
        )
    }
}

impl std::error::Error for Invalid {}
