//! What was measured.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::args::Group;

/// Everything, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report has string keys and plain numbers")
    }
}

/// One line of a table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) group: Group,
    /// The conditions; ratios are taken among rows of the same case.
    pub(crate) case: String,
    pub(crate) name: &'static str,
    /// The time that the group is about.
    pub(crate) ns: Option<f64>,
    /// That time as a multiple of the row named in `to`.
    pub(crate) ratio: Option<f64>,
    pub(crate) to: Option<&'static str>,
    pub(crate) allocs: Option<f64>,
    /// What only this group measures.
    #[serde(flatten)]
    pub(crate) figures: BTreeMap<&'static str, f64>,
    pub(crate) targets: Vec<Target>,
}

impl Row {
    pub(crate) fn new(group: Group, case: &str, name: &'static str) -> Self {
        Self {
            group,
            case: case.to_owned(),
            name,
            ns: None,
            ratio: None,
            to: None,
            allocs: None,
            figures: BTreeMap::new(),
            targets: Vec::new(),
        }
    }

    pub(crate) fn ns(mut self, ns: f64) -> Self {
        self.ns = Some(ns);
        self
    }

    /// Leaves the yardstick itself without a ratio.
    pub(crate) fn ratio(mut self, ratio: f64, to: &'static str) -> Self {
        if self.name != to {
            self.ratio = Some(ratio);
            self.to = Some(to);
        }
        self
    }

    pub(crate) fn allocs(mut self, allocs: Option<f64>) -> Self {
        self.allocs = allocs;
        self
    }

    pub(crate) fn figure(mut self, key: &'static str, figure: f64) -> Self {
        self.figures.insert(key, figure);
        self
    }

    pub(crate) fn targets(mut self, targets: Vec<Target>) -> Self {
        self.targets = targets;
        self
    }
}

/// Something that we want of our own rows.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Target {
    what: &'static str,
    figure: f64,
    bound: Bound,
    met: bool,
    /// A target beyond the target.
    stretch: Option<f64>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    pub(crate) fn at_most(what: &'static str, figure: f64, limit: f64) -> Self {
        let bound = Bound::AtMost(limit);
        Self {
            what,
            figure,
            bound,
            met: figure <= limit,
            stretch: None,
        }
    }

    pub(crate) fn at_least(what: &'static str, figure: f64, limit: f64) -> Self {
        let bound = Bound::AtLeast(limit);
        Self {
            what,
            figure,
            bound,
            met: figure >= limit,
            stretch: None,
        }
    }

    pub(crate) fn stretch(mut self, stretch: f64) -> Self {
        self.stretch = Some(stretch);
        self
    }
}

/// `pass 1.62 <= 1.75 x tower RateLimit, stretch 1.3 missed`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.met { "pass" } else { "MISS" };
        let (sign, limit) = match self.bound {
            Bound::AtMost(limit) => ("<=", limit),
            Bound::AtLeast(limit) => (">=", limit),
        };
        write!(
            f,
            "{verdict} {:.2} {sign} {limit} {}",
            self.figure, self.what
        )?;
        match self.stretch {
            Some(stretch) if self.figure <= stretch => write!(f, ", stretch {stretch} reached"),
            Some(stretch) => write!(f, ", stretch {stretch} missed"),
            None => Ok(()),
        }
    }
}
