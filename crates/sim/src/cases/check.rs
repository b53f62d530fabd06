use std::fmt;

use crate::Figures;

/// What one figure must be.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    figure: fn(&Figures) -> f64,
    name: &'static str,
    unit: &'static str,
    digits: usize,
    bound: Bound,
}

/// Where a figure must lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// What a figure was, and whether it is as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it was.
    pub measured: String,
    /// Whether it is as it must be, as it is printed.
    pub holds: bool,
}

impl Check {
    pub(super) fn used(percent: f64) -> Self {
        let figure = |run: &Figures| run.utilisation * 100.0;
        Self::new("quota used", " %", 1, figure, Bound::AtLeast(percent))
    }

    pub(super) fn rejected(per_100: f64) -> Self {
        let figure = |run: &Figures| run.rejected_per_accepted * 100.0;
        Self::new("429s per 100", "", 2, figure, Bound::AtMost(per_100))
    }

    pub(super) fn fair(jain: f64) -> Self {
        Self::new("Jain", "", 3, |run| run.jain, Bound::AtLeast(jain))
    }

    pub(super) fn reclaimed(windows: f64) -> Self {
        let figure = |run: &Figures| run.reclaimed_windows;
        Self::new(
            "95 % used after",
            " windows",
            1,
            figure,
            Bound::AtMost(windows),
        )
    }

    pub(super) fn rejected_after_change(per_100: f64) -> Self {
        let figure = |run: &Figures| run.rejected_after_change * 100.0;
        Self::new(
            "429s per 100 in 4 windows",
            "",
            1,
            figure,
            Bound::AtMost(per_100),
        )
    }

    pub(super) fn success(percent: f64) -> Self {
        let figure = |run: &Figures| run.success * 100.0;
        Self::new("success", " %", 1, figure, Bound::AtLeast(percent))
    }

    pub(super) fn rejected_share(percent: f64) -> Self {
        let figure = |run: &Figures| run.rejected_share * 100.0;
        Self::new("429s of all", " %", 1, figure, Bound::AtMost(percent))
    }

    pub(super) fn per_minute(requests: f64) -> Self {
        let figure = |run: &Figures| run.per_minute;
        Self::new("let in per minute", "", 1, figure, Bound::AtLeast(requests))
    }

    pub(super) fn none_lost() -> Self {
        Self::new("lost", "", 0, |run| run.lost, Bound::AtMost(0.0))
    }

    const fn new(
        name: &'static str,
        unit: &'static str,
        digits: usize,
        figure: fn(&Figures) -> f64,
        bound: Bound,
    ) -> Self {
        Self {
            figure,
            name,
            unit,
            digits,
            bound,
        }
    }

    /// Judges by the figure as it is printed: nobody should have to wonder why 2.5 is above 2.5.
    #[must_use]
    pub fn judge(&self, figures: &Figures) -> Verdict {
        let number = (self.figure)(figures);
        let printed = format!("{number:.*}", self.digits);
        let rounded = printed.parse().unwrap_or(number);
        let holds = match self.bound {
            Bound::AtLeast(least) => rounded >= least,
            Bound::AtMost(most) => rounded <= most,
        };
        Verdict {
            measured: if number.is_finite() {
                printed
            } else {
                "never".to_owned()
            },
            holds,
        }
    }
}

/// As in `quota used ≥ 98.5 %`.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, bound) = match self.bound {
            Bound::AtLeast(least) => ('≥', least),
            Bound::AtMost(most) => ('≤', most),
        };
        write!(f, "{} {sign} {bound}{}", self.name, self.unit)
    }
}
