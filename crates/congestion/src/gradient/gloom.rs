use super::{Nepers, baseline::NEWS};

/// The weight of the last window.
const GLOOM: f64 = 0.4;

/// Then the baseline may be wrong.
const DOUBT: Nepers = 0.35;

/// For how long, and by how much, the server has been slower than it may be.
#[derive(Debug, Clone, Default)]
pub(super) struct Gloom {
    /// Smoothed over windows.
    room: Nepers,
    /// What the latency was when the baseline was last looked at.
    seen: Option<Nepers>,
    doubt: bool,
}

impl Gloom {
    pub(super) fn is_doubt(&self) -> bool {
        self.doubt
    }

    /// Whether there is a doubt now that there wasn't, and that the last probe didn't see.
    pub(super) fn grow(&mut self, room: Nepers, latency: Nepers) -> bool {
        self.room += GLOOM * (room - self.room);
        let doubted = std::mem::replace(&mut self.doubt, self.room < -DOUBT);
        let seen = self.seen.is_some_and(|seen| (seen - latency).abs() <= NEWS);
        self.doubt && !doubted && !seen
    }

    pub(super) fn lift(&mut self, latency: Option<Nepers>) {
        *self = Self {
            seen: latency,
            ..Self::default()
        };
    }
}
