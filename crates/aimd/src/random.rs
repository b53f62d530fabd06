use std::time::Duration;

use tower_throttle_jitter::Generator;

/// The random numbers of one law.
///
/// A clone draws from the beginning: the same again if it was seeded, and others if not. So a law
/// that hasn't begun can be copied for several limiters.
#[derive(Debug, Default)]
pub(crate) struct Random {
    seed: Option<u64>,
    generator: Generator,
}

impl Random {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        let generator = seed.map_or_else(Generator::new, Generator::seeded);
        Self { seed, generator }
    }

    /// For what is drawn before the law may be copied.
    pub(crate) fn split(&mut self) -> Self {
        let generator = self.generator.split();
        Self {
            seed: self.seed,
            generator,
        }
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.generator.unit()
    }

    /// From zero up to `most`.
    pub(crate) fn part_of(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.generator.unit())
    }
}

impl Clone for Random {
    fn clone(&self) -> Self {
        Self::new(self.seed)
    }
}
