use super::Nepers;

/// A reading of very many calls that differs by so much tells of another server; one of `n` calls must
/// differ by [`NEWS_OF_ONE`]` / √n` more.
const NEWS: Nepers = 0.2;
const NEWS_OF_ONE: Nepers = 0.6;

/// That it is a server so much slower, or more, must be told by two readings, or by so many calls of a probe that
/// all clients made. If not all did, their load could make it seem twice as slow, and less is no news.
const HIGHER: Nepers = 0.7;
const SOLID: f64 = 3.0;

/// A window of very many calls under load that is lower by so much shows that the baseline is wrong; one of `n`
/// calls must be lower by [`CHANCE`]` / √n` more: latencies may vary as much as those of a line.
const SURELY_LOWER: Nepers = 0.2;
const CHANCE: Nepers = 1.5;

/// As many calls as the past counts for at most; and before all made a probe.
const MEMORY: f64 = 24.0;
const EARLY: f64 = 8.0;

/// The least weight of a reading that is lower. One that is too high does more harm: of many clients, the one that
/// believes the server to be the slowest takes most of it.
const SINKS: f64 = 0.4;

/// For the same reason, `n` calls that were slower count as `n² / (n + RISES)`.
const RISES: f64 = 1.0;

/// For the same reason, the mean of `n` calls counts as `DOUBT / n` less.
const DOUBT: Nepers = 0.4;

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

/// What was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// In the mean.
    pub(super) latency: Nepers,
    /// Of so many calls.
    pub(super) calls: f64,
    pub(super) trust: Trust,
}

/// What is known besides a reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prior {
    /// It takes so many times as many calls as usual to be sure.
    pub(super) patience: f64,
    /// A reading that is higher must differ by such a part only.
    pub(super) slower: f64,
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

/// What was learnt besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    None,
    /// It may be another server now.
    Doubtful,
    /// It has become slower, or others have taken more of it.
    Slower,
}

impl Baseline {
    pub(super) fn latency(&self) -> Option<Nepers> {
        self.latency
    }

    /// The latency with little to do, as far as one can rely on it.
    pub(super) fn reliable(&self) -> Option<Nepers> {
        if self.is_guess() {
            return self.latency;
        }
        self.latency.map(|latency| latency - DOUBT / self.calls())
    }

    /// How many calls have told it; at least one.
    pub(super) fn calls(&self) -> f64 {
        self.calls.max(1.0)
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

    /// A window of so many calls under load: the baseline can't be higher than that, but by chance.
    pub(super) fn observe(&mut self, latency: Nepers, calls: f64) -> News {
        let known = self.latency.unwrap_or(latency);
        if self.is_guess() {
            self.latency = Some(latency.min(known));
        } else if latency < known - SURELY_LOWER - CHANCE / calls.sqrt() {
            return News::Doubtful;
        }
        News::None
    }

    /// With little to do for the server.
    pub(super) fn read(&mut self, reading: Reading, prior: Prior) -> News {
        let Reading {
            latency,
            calls,
            trust,
        } = reading;
        let known = match self.latency {
            Some(known) if !self.is_guess() => known,
            _ => {
                self.set(latency, calls);
                return News::None;
            }
        };
        let suspect = self.suspect.take();
        let lower = NEWS + NEWS_OF_ONE * prior.patience / calls.sqrt();
        let higher = lower * prior.slower;
        if latency < known - lower {
            self.set(latency, calls);
        } else if latency <= known + higher {
            let much = if latency < known { lower } else { higher };
            let odd = (latency - known).abs() / much;
            self.mix(&reading, odd, prior.patience);
        } else if trust == Trust::Full && (calls >= SOLID || latency < known + HIGHER) {
            self.set(latency, calls);
        } else if latency >= known + HIGHER {
            return self.suspect(latency, calls, suspect);
        }
        News::None
    }

    /// One such reading is suspicious, two are news.
    fn suspect(&mut self, latency: Nepers, calls: f64, before: Option<Nepers>) -> News {
        if let Some(before) = before {
            self.set((before + latency) / 2.0, 2.0 * calls);
            return News::Slower;
        }
        self.suspect = Some(latency);
        News::Doubtful
    }

    /// The odder it is, up to 1, the less counts the past.
    fn mix(&mut self, reading: &Reading, odd: f64, patience: f64) {
        let Reading {
            latency,
            calls,
            trust,
        } = *reading;
        let known = self.latency.unwrap_or(latency);
        if latency > known && trust == Trust::Lower {
            return;
        }
        let mut memory = EARLY;
        if trust == Trust::Full {
            memory = MEMORY;
            self.calls *= 1.0 - odd * odd;
        }
        let least = if latency < known {
            SINKS / patience
        } else {
            0.0
        };
        let counted = if latency > known {
            calls * calls / (calls + RISES)
        } else {
            calls
        };
        let weight = (counted / (counted + self.calls)).max(least);
        self.latency = Some(known + weight * (latency - known));
        self.calls = (self.calls + calls).min((memory * patience).max(self.calls));
    }

    fn set(&mut self, latency: Nepers, calls: f64) {
        self.latency = Some(latency);
        self.calls = calls.min(EARLY);
        self.suspect = None;
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

#[cfg(test)]
mod tests {
    use super::*;

    const SURE: Prior = Prior {
        patience: 1.0,
        slower: 1.0,
    };

    fn read(readings: &[(f64, f64)]) -> Baseline {
        let mut baseline = Baseline::default();
        for &(latency, calls) in readings {
            baseline.read(full(latency, calls), SURE);
        }
        baseline
    }

    fn full(latency: f64, calls: f64) -> Reading {
        Reading {
            latency: latency.ln(),
            calls,
            trust: Trust::Full,
        }
    }

    fn secs(baseline: &Baseline) -> f64 {
        baseline.latency().unwrap().exp()
    }

    #[test]
    fn what_one_call_tells_is_less_reliable_than_what_many_do() {
        let [one, many] = [1.0, 8.0].map(|calls| read(&[(0.2, calls)]).reliable().unwrap().exp());
        assert!(one < 0.15, "{one}");
        assert!((0.18..0.2).contains(&many), "{many}");
    }

    #[test]
    fn a_lower_reading_counts_more_than_a_higher_one() {
        let steady = [(0.2, 8.0), (0.2, 8.0)];
        let [lower, higher] = [0.16, 0.25].map(|last| read(&[steady[0], steady[1], (last, 1.0)]));
        assert!(secs(&lower) < 0.185, "{lower:?}");
        assert!(secs(&higher) < 0.205, "{higher:?}");
    }

    /// Ten clients at a server of which half was gone: one call of one of them took eight times as long by chance, and
    /// it took most of the server when that was back.
    #[test]
    fn one_slow_call_is_no_news_but_three_are() {
        let [one, three] = [1.0, 3.0].map(|calls| read(&[(0.2, 8.0), (1.6, calls)]));
        assert!(secs(&one) < 0.21, "{one:?}");
        assert!(secs(&three) > 1.5, "{three:?}");
    }

    /// Of ten clients at a server that had become three times slower, those with one call in the probe of all found a
    /// little of that, and had nearly nothing until the next.
    #[test]
    fn one_slow_call_is_news_if_it_was_expected() {
        let [surprise, expected] = [1.0, 0.7].map(|slower| {
            let mut baseline = read(&[(0.2, 24.0)]);
            baseline.read(full(0.37, 1.0), Prior { slower, ..SURE });
            secs(&baseline)
        });
        assert!(surprise < 0.22, "{surprise}");
        assert!(expected > 0.36, "{expected}");
    }

    #[test]
    fn few_calls_are_no_news_if_latencies_vary() {
        let [sure, patient] = [1.0, 4.0].map(|patience| {
            let mut baseline = read(&[(0.2, 16.0)]);
            baseline.read(full(0.1, 8.0), Prior { patience, ..SURE });
            secs(&baseline)
        });
        assert!(sure < 0.101, "{sure}");
        assert!(patient > 0.12, "{patient}");
    }

    #[test]
    fn the_odder_a_reading_the_less_counts_the_past() {
        let [usual, odd] = [0.22, 0.43].map(|second| read(&[(0.2, 8.0), (second, 1.0)]));
        assert!(usual.calls > 8.0, "{usual:?}");
        assert!(odd.calls < 3.0, "{odd:?}");
    }
}
