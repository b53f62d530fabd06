use super::Nepers;

/// How much slower than with little to do the server may be for a client with one in flight, before
/// [`GRAIN`] is taken off.
const TOLERANCE: f64 = 2.2;

/// By how much less slow it may be for a client with `e` times as many in flight. Those who have more
/// give way to those who have less (as in TCP Vegas, where a queue of so many packets is aimed at by each flow).
const GIVE_WAY: Nepers = 0.1;

/// One more in flight is a large step for a client that has one: it aims that much lower.
const GRAIN: Nepers = 0.4;

/// The weight of the last window in the latency.
const SMOOTHING: f64 = 0.7;

/// How much slower the server may become.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    /// The lowest latency of a window, for as long as there is no baseline.
    lowest: Option<Nepers>,
    /// Smoothed over windows.
    latency: Option<Nepers>,
}

impl Room {
    /// The latency of the server at present.
    pub(super) fn latency(&self) -> Option<Nepers> {
        self.latency
    }

    /// Forgets the latency: it is that of another limit.
    pub(super) fn take(&mut self) -> Option<Nepers> {
        self.latency.take()
    }

    /// A window was over with such a latency: what the latency is now, and how much room is left.
    pub(super) fn learn(
        &mut self,
        latest: Nepers,
        limit: f64,
        baseline: Option<Nepers>,
    ) -> (Nepers, Nepers) {
        let before = self.latency.unwrap_or(latest);
        let latency = before + SMOOTHING * (latest - before);
        self.latency = Some(latency);
        let lowest = self.lowest.map_or(latest, |lowest| lowest.min(latest));
        self.lowest = Some(lowest);
        let tolerance = TOLERANCE.ln() - GIVE_WAY * limit.ln() - GRAIN / limit;
        (latency, baseline.unwrap_or(lowest) + tolerance - latency)
    }
}
