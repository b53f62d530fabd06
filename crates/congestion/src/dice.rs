use tower_throttle_jitter::Generator;

/// Randomness for an estimator, which must be `Clone` where a generator must not.
///
/// A clone starts over: it repeats the numbers if there is a seed, and takes a stream of its own if not.
#[derive(Debug, Default)]
pub(crate) struct Dice {
    seed: Option<u64>,
    generator: Option<Generator>,
}

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            seed: Some(seed),
            generator: None,
        }
    }

    /// Draws from `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        let seed = self.seed;
        let fresh = || seed.map_or_else(Generator::new, Generator::seeded);
        self.generator.get_or_insert_with(fresh).unit()
    }
}

impl Clone for Dice {
    fn clone(&self) -> Self {
        Self {
            seed: self.seed,
            generator: None,
        }
    }
}
