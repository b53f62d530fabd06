use super::Nepers;

/// A reading of very many calls that differs by so much tells of another server; one of `n` calls must
/// differ by [`NEWS_OF_ONE`]` / √n` more.
const NEWS: Nepers = 0.2;
const NEWS_OF_ONE: Nepers = 0.5;

/// If not all clients made the probe, it must be higher by so much at least: their load could make it twice as
/// high.
const HIGHER: Nepers = 0.7;

/// A window under load that is lower by so much shows that the baseline is wrong.
const SURELY_LOWER: Nepers = 0.2;

/// As many calls as the past counts for at most; and before all made a probe.
const MEMORY: f64 = 16.0;
const EARLY: f64 = 6.0;

/// So many times longer than the latency suggests is a first probe, since nobody knows how slow it can be.
const CARE: f64 = 2.0;

/// The latency with little to do.
#[derive(Debug, Clone)]
pub(super) struct Baseline {
    latency: Option<Nepers>,
    /// How many calls it is the mean of; none if no probe has found it yet.
    calls: f64,
    /// A higher reading that another must confirm.
    suspect: Option<Nepers>,
    care: f64,
}

/// How far a reading can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// If it is lower: others had something in flight, perhaps.
    Lower,
    /// If it is similar, or if there are two of it: those who had the same reason made a probe too.
    Similar,
    /// All made a probe.
    Full,
}

/// Whether it is another server now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Old,
    Doubtful,
    New,
}

impl Baseline {
    pub(super) fn latency(&self) -> Option<Nepers> {
        self.latency
    }

    /// Whether no probe has found it yet: it is the lowest latency of a window then.
    pub(super) fn is_guess(&self) -> bool {
        self.calls <= 0.0
    }

    /// The latency with little to do, or less.
    pub(super) fn unloaded(&self) -> Option<Nepers> {
        self.latency.map(|latency| latency - 2.0 * self.care())
    }

    /// How much longer than the latency suggests a probe shall be.
    pub(super) fn care(&self) -> Nepers {
        if self.is_guess() { self.care.ln() } else { 0.0 }
    }

    /// A probe was over before any of its calls was.
    pub(super) fn miss(&mut self) {
        self.care = (self.care / 2.0).max(1.0);
    }

    /// A window under load: the baseline can't be higher than that.
    pub(super) fn observe(&mut self, latency: Nepers) -> News {
        let known = self.latency.unwrap_or(latency);
        if self.is_guess() {
            self.latency = Some(latency.min(known));
        } else if latency < known - SURELY_LOWER {
            return self.set(latency, 1.0);
        }
        News::Old
    }

    /// So many calls took so long in the mean, with little to do for the server.
    pub(super) fn read(&mut self, latency: Nepers, calls: f64, trust: Trust) -> News {
        let known = match self.latency {
            Some(known) if !self.is_guess() => known,
            _ => return self.set(latency, calls),
        };
        let suspect = self.suspect.take();
        let much = NEWS + NEWS_OF_ONE / calls.sqrt();
        if latency < known - much {
            self.set(latency, calls)
        } else if latency <= known + much {
            self.mix(latency, calls, trust);
            News::Old
        } else if trust == Trust::Full {
            self.set(latency, calls)
        } else if latency < known + HIGHER {
            News::Old
        } else {
            self.suspect(latency, calls, suspect)
        }
    }

    /// One such reading is suspicious, two are news.
    fn suspect(&mut self, latency: Nepers, calls: f64, before: Option<Nepers>) -> News {
        if let Some(before) = before {
            return self.set((before + latency) / 2.0, 2.0 * calls);
        }
        self.suspect = Some(latency);
        News::Doubtful
    }

    fn mix(&mut self, latency: Nepers, calls: f64, trust: Trust) {
        let known = self.latency.unwrap_or(latency);
        if latency > known && trust == Trust::Lower {
            return;
        }
        let weight = calls / (calls + self.calls);
        self.latency = Some(known + weight * (latency - known));
        let memory = if trust == Trust::Full { MEMORY } else { EARLY };
        self.calls = (self.calls + calls).min(memory.max(self.calls));
    }

    fn set(&mut self, latency: Nepers, calls: f64) -> News {
        self.latency = Some(latency);
        self.calls = calls.min(EARLY);
        self.suspect = None;
        News::New
    }
}

impl Default for Baseline {
    fn default() -> Self {
        Self {
            latency: None,
            calls: 0.0,
            suspect: None,
            care: CARE,
        }
    }
}
