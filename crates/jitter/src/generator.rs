use std::{
    hash::Hasher as _,
    ops::RangeInclusive,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fnv::FnvHasher;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A source of randomness: small (32 bytes), fast, and the same on every platform.
///
/// It is xoshiro256++ (Blackman and Vigna, *Scrambled linear pseudorandom number generators*, 2019). It spreads
/// load well; it must not be used where somebody gains from guessing it.
///
/// [`new`](Self::new) gives the next stream of this process, [`seeded`](Self::seeded) the stream of a number. Two
/// generators are never in step unless they were seeded alike. So a generator can't be cloned: a clone would
/// repeat the very sequence that it was made to differ from. [Split](Self::split) it instead.
///
/// # Sharing
///
/// The generators of one process are the first, second, … stream of a seed hashed from the host name and the
/// process id, read once. A program that starts again under the same name and id, and makes its generators in the
/// same order, draws the same numbers; two processes that differ in either don't. Containers that share a host
/// name often share process id 1 as well: give each a seed of its own, from whatever tells them apart.
#[derive(Debug)]
pub struct Generator(Xoshiro256PlusPlus);

impl Generator {
    /// Takes the next independent stream of this process.
    #[must_use]
    pub fn new() -> Self {
        static PROCESS: LazyLock<Mutex<Generator>> = LazyLock::new(|| {
            let host = gethostname::gethostname();
            let seed = process_seed(&host.to_string_lossy(), std::process::id());
            Mutex::new(Generator::seeded(seed))
        });
        lock(&PROCESS).split()
    }

    /// The stream that belongs to `seed`: the same in every process, on every platform.
    ///
    /// Seeds needn't be far apart: those of 1 and 2 are as different as any.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Makes an independent generator, deterministically.
    ///
    /// ```
    /// use tower_throttle_jitter::Generator;
    ///
    /// let mut parent = Generator::seeded(7);
    /// let (mut first, mut second) = (parent.split(), parent.split());
    /// assert_ne!(first.unit(), second.unit());
    /// assert_eq!(Generator::seeded(7).split().unit(), Generator::seeded(7).split().unit());
    /// ```
    #[must_use]
    pub fn split(&mut self) -> Self {
        // By way of a seed, which SplitMix64 expands, as the authors of xoshiro advise: a state made of outputs of
        // the same linear engine would be related to it.
        Self::seeded(self.0.next_u64())
    }

    /// Draws from `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// Draws a duration, both ends included. `range` must not be empty.
    pub(crate) fn within(&mut self, range: RangeInclusive<Duration>) -> Duration {
        self.0.random_range(range)
    }
}

/// [`Generator::new`].
impl Default for Generator {
    fn default() -> Self {
        Self::new()
    }
}

/// Locks; a panic elsewhere can't leave a generator half drawn, so poison is no reason to stop.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// FNV-1a (64 bits), because it is specified and has no key: std's hasher may change with any release, and
/// Python's is salted per run. Both parts are hashed as bytes, the one of fixed length last, so none runs into the other.
fn process_seed(host: &str, process: u32) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(host.as_bytes());
    hasher.write(&process.to_le_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 10_000;

    /// Pearson's r between what two generators draw.
    fn correlation(mut a: Generator, mut b: Generator) -> f64 {
        let (mut product, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
        for _ in 0..DRAWS {
            let (x, y) = (a.unit() - 0.5, b.unit() - 0.5);
            product += x * y;
            square_a += x * x;
            square_b += y * y;
        }
        product / (square_a * square_b).sqrt()
    }

    /// Of independent streams |r|·√n stays under 4.9 with probability 1 − 10⁻⁶.
    fn independent(a: Generator, b: Generator) -> bool {
        correlation(a, b).abs() * f64::from(DRAWS).sqrt() < 4.9
    }

    // Guards against the salted `hash((hostname, pid))` of the stkai SDK: three runs, three seeds.
    #[test]
    fn the_seed_of_a_process_is_the_same_in_every_run() {
        assert_eq!(process_seed("host-1", 4242), 0xedff_f82e_fab1_e727);
        assert_ne!(process_seed("host-1", 4242), process_seed("host-2", 4242));
    }

    #[test]
    fn processes_with_adjacent_ids_are_independent() {
        for process in [1, 255, 65_535, 4_194_303] {
            let of = |id| Generator::seeded(process_seed("host-1", id));
            assert!(independent(of(process), of(process + 1)), "{process}");
        }
    }

    #[test]
    fn hosts_with_adjacent_names_are_independent() {
        for process in [1, 4242] {
            let of = |host| Generator::seeded(process_seed(host, process));
            assert!(independent(of("web-1"), of("web-2")), "{process}");
        }
    }

    #[test]
    fn adjacent_seeds_are_independent() {
        for seed in [0, 1, u64::MAX - 1] {
            assert!(independent(
                Generator::seeded(seed),
                Generator::seeded(seed + 1)
            ));
        }
    }

    #[test]
    fn a_parent_and_its_children_are_independent() {
        let mut parent = Generator::seeded(1);
        let (first, second, third) = (parent.split(), parent.split(), parent.split());
        assert!(independent(first, second));
        assert!(independent(third, parent));
    }

    // Guards against the stkai SDK's default: every generator of a process had the process's seed.
    #[test]
    fn two_generators_of_one_process_are_not_in_step() {
        let (mut a, mut b) = (Generator::new(), Generator::default());
        assert!((0..8).any(|_| a.unit().to_bits() != b.unit().to_bits()));
    }

    // The expected numbers were computed from the published algorithms (SplitMix64, xoshiro256++) elsewhere.
    #[test]
    fn the_numbers_of_a_seed_are_fixed_for_good() {
        let mut generator = Generator::seeded(42);
        assert_eq!(generator.0.next_u64(), 0xd076_4d4f_4476_689f);
        let second = generator.within(Duration::ZERO..=Duration::from_secs(1));
        assert_eq!(second, Duration::from_nanos(318_821_040));
        assert_eq!(generator.split().0.next_u64(), 0xbe82_277f_fc4a_622b);
    }
}
