use crate::Bounds;

/// A limit with a fraction, within bounds.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    bounds: Bounds,
    /// What the server declared.
    ceiling: Option<u32>,
    /// The limit if there were no bounds.
    wanted: f64,
    /// The limit.
    exact: f64,
    /// The limit without its fraction, and the fraction.
    whole: u32,
    fraction: f64,
    /// How many may be in flight now.
    allowed: u32,
    /// What was left over when the fraction was last rounded.
    rest: f64,
}

impl Limit {
    pub(crate) fn new(limit: f64, bounds: Bounds) -> Self {
        let mut new = Self {
            bounds,
            ceiling: None,
            wanted: limit,
            exact: limit,
            whole: 0,
            fraction: 0.0,
            allowed: 0,
            rest: 0.0,
        };
        new.set(limit);
        new
    }

    pub(crate) fn exact(&self) -> f64 {
        self.exact
    }

    /// How many may be in flight now.
    pub(crate) fn allowed(&self) -> u32 {
        self.allowed
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The bounds, with what the server declared.
    pub(crate) fn effective(&self) -> Bounds {
        let Some(ceiling) = self.ceiling else {
            return self.bounds;
        };
        let max = ceiling.clamp(1, self.bounds.max);
        Bounds::new(self.bounds.min.min(max), max)
    }

    pub(crate) fn bound(&mut self, bounds: Bounds) {
        self.bounds = bounds;
        self.put(self.wanted);
    }

    pub(crate) fn set_ceiling(&mut self, ceiling: Option<u32>) {
        self.ceiling = ceiling;
        self.put(self.wanted);
    }

    /// What is beyond the bounds is hidden, not forgotten.
    pub(crate) fn set(&mut self, limit: f64) {
        self.wanted = limit;
        self.put(limit);
    }

    /// The same for what was learnt within the bounds: it doesn't lower what is hidden by them. A limit
    /// that is no number changes nothing.
    pub(crate) fn learnt(&mut self, limit: f64) {
        if limit.is_nan() {
            return;
        }
        let hidden = limit >= f64::from(self.effective().max);
        self.wanted = if hidden {
            self.wanted.max(limit)
        } else {
            limit
        };
        self.put(limit);
    }

    fn put(&mut self, limit: f64) {
        self.exact = self.effective().clamp(limit);
        self.whole = Bounds::whole(self.exact);
        self.fraction = self.exact - f64::from(self.whole);
        self.allowed = self.whole;
    }

    /// Rounds the limit for the next call: up as often as the fraction says.
    pub(crate) fn round(&mut self) {
        self.rest += self.fraction;
        self.allowed = self.whole;
        if self.rest >= 1.0 {
            self.rest -= 1.0;
            self.allowed = self.allowed.saturating_add(1);
        }
    }
}
