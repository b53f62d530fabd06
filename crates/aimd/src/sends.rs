use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// So many parts of the window are told apart.
const PARTS: u32 = 512;

/// How many parts are remembered at most: two windows of them, or more if they are thinly sown.
const REMEMBERED: usize = 1024;

/// What was sent lately and not turned away, in tokens.
///
/// Sends that are close together are counted as one: so the record takes 24 KiB at most, at any rate,
/// and is exact where it matters, at a few requests per window.
#[derive(Debug, Clone)]
pub(crate) struct Sends {
    resolution: Duration,
    parts: VecDeque<Part>,
    /// The latest that was dropped for lack of room.
    forgotten: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    from: Instant,
    tokens: u64,
}

impl Sends {
    pub(crate) fn new(window: Duration) -> Self {
        Self {
            resolution: window / PARTS,
            parts: VecDeque::new(),
            forgotten: None,
        }
    }

    pub(crate) fn add(&mut self, at: Instant, tokens: u32) {
        let resolution = self.resolution;
        let is_new = |last: &Part| at.saturating_duration_since(last.from) >= resolution;
        if self.parts.back().is_none_or(is_new) {
            self.make_room();
            self.parts.push_back(Part {
                from: at,
                tokens: tokens.into(),
            });
        } else if let Some(part) = self.part_of(at) {
            part.tokens = part.tokens.saturating_add(tokens.into());
        }
    }

    /// Takes back what was [added](Self::add).
    pub(crate) fn remove(&mut self, at: Instant, tokens: u32) {
        if let Some(part) = self.part_of(at) {
            part.tokens = part.tokens.saturating_sub(tokens.into());
        }
    }

    /// Tokens per second in the time `span` before `now`.
    pub(crate) fn rate(&self, span: Duration, now: Instant) -> f64 {
        let known = self.forgotten.map(|at| now.saturating_duration_since(at));
        let span = known.map_or(span, |known| known.min(span));
        let first = now.checked_sub(span).map_or(0, |from| {
            self.parts.partition_point(|part| part.from <= from)
        });
        let tokens: u64 = self.parts.range(first..).map(|part| part.tokens).sum();
        per_second(tokens, span)
    }

    /// The part in which `at` is counted; `None` if it is forgotten.
    fn part_of(&mut self, at: Instant) -> Option<&mut Part> {
        let after = self.parts.partition_point(|part| part.from <= at);
        if after == 0 && self.forgotten.is_some() {
            return None;
        }
        self.parts.get_mut(after.saturating_sub(1))
    }

    fn make_room(&mut self) {
        if self.parts.len() >= REMEMBERED {
            let oldest = self.parts.pop_front();
            self.forgotten = oldest.map(|part| part.from);
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nobody sends so many that it matters"
)]
fn per_second(tokens: u64, span: Duration) -> f64 {
    // A nanosecond at least, so that nothing divides by zero.
    tokens as f64 / span.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use tower_throttle_core::now;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_hundred_thousand_per_second_take_bounded_memory_and_are_counted() {
        let (mut sends, start) = (Sends::new(10 * SECOND), now());
        let gap = SECOND / 100_000;
        for send in 0..3_000_000 {
            sends.add(start + gap * send, 1);
        }

        let rate = sends.rate(10 * SECOND, start + gap * 3_000_000);

        assert_eq!(sends.parts.len(), REMEMBERED);
        assert!((99_600.0..=100_000.0).contains(&rate), "{rate}");
    }

    #[test]
    fn few_sends_are_counted_exactly() {
        let (mut sends, start) = (Sends::new(10 * SECOND), now());
        for second in 1..=20 {
            sends.add(start + SECOND * second, 1);
        }
        sends.remove(start + 15 * SECOND, 1);
        sends.remove(start + 3 * SECOND, 1);

        // After 10 s and up to 20 s, without the one at 15 s.
        let rate = sends.rate(10 * SECOND, start + 20 * SECOND);

        assert!((rate - 0.9).abs() < 1e-12, "{rate}");
    }

    #[test]
    fn what_is_forgotten_shortens_the_time_instead_of_the_rate() {
        let (mut sends, start) = (Sends::new(SECOND), now());
        for send in 0..5_000 {
            sends.add(start + SECOND * send, 1);
        }

        let rate = sends.rate(4_000 * SECOND, start + SECOND * 4_999);

        assert!((rate - 1.0).abs() < 0.01, "{rate}");
        sends.remove(start, 1);
        assert!((sends.rate(4_000 * SECOND, start + SECOND * 4_999) - rate).abs() < 1e-12);
    }

    #[test]
    fn a_send_that_is_dated_back_is_taken_back_where_it_was_counted() {
        let (mut sends, start) = (Sends::new(SECOND), now());
        sends.add(start + SECOND, 5);
        sends.add(start, 3);
        sends.remove(start, 3);

        assert!((sends.rate(SECOND, start + SECOND) - 5.0).abs() < 1e-12);
    }
}
