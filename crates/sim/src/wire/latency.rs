use std::{fmt, str::FromStr, time::Duration};

use rand::{Rng, RngExt as _};
use rand_distr::{Distribution as _, Exp1, LogNormal};

/// How long an accepted request takes, from the send to the response.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// What it takes at an empty server, in the median; if it is exponentially spread, in the mean.
    pub base: Duration,
    /// How it is spread.
    pub spread: Spread,
    /// Whether a crowded server is slow, as a queue M/M/1 is: `base / (1 - min(fullness, 0.95))`.
    pub crowded: bool,
}

/// How a time is spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spread {
    /// Not at all.
    Constant,
    /// Times `e^(σ·N(0, 1))`.
    LogNormal(f64),
    /// Times `U[1 - f, 1 + f]`.
    Uniform(f64),
    /// Times `-ln U[0, 1]`, of which the mean is 1.
    Exponential,
}

/// A queue is never slower than 20 times its base.
const FULLEST: f64 = 0.95;

impl Latency {
    /// Log-normal around `base`.
    #[must_use]
    pub const fn log_normal(base: Duration, sigma: f64) -> Self {
        Self {
            base,
            spread: Spread::LogNormal(sigma),
            crowded: false,
        }
    }

    /// Draws one. `factor`: how many times slower than usual the server is.
    pub fn draw(&self, factor: f64, fullness: f64, random: &mut impl Rng) -> Duration {
        let crowding = if self.crowded {
            1.0 / (1.0 - fullness.min(FULLEST))
        } else {
            1.0
        };
        self.base
            .mul_f64(factor * crowding * self.spread.draw(random))
    }
}

impl Spread {
    /// Draws a factor.
    pub(crate) fn draw(self, random: &mut impl Rng) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::LogNormal(sigma) => {
                LogNormal::new(0.0, sigma).map_or(1.0, |factor| factor.sample(random))
            }
            Self::Uniform(share) => random.random_range(1.0 - share..=1.0 + share),
            Self::Exponential => Exp1.sample(random),
        }
    }
}

/// As on the command line: `constant:SECONDS`, `lognormal:SECONDS`, `lognormal:SECONDS:SIGMA`,
/// `exponential:SECONDS` or `mm1:SECONDS`.
impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split(':').collect();
        let (spread, crowded, seconds) = match words[..] {
            ["constant", seconds] => (Spread::Constant, false, seconds),
            ["lognormal", seconds] => (Spread::LogNormal(SIGMA), false, seconds),
            ["lognormal", seconds, sigma] => {
                let sigma = number(sigma, 0.0..=2.0)?;
                (Spread::LogNormal(sigma), false, seconds)
            }
            ["exponential", seconds] => (Spread::Exponential, false, seconds),
            ["mm1", seconds] => (Spread::Uniform(0.2), true, seconds),
            _ => return Err(FORMS.to_owned()),
        };
        let base = Duration::from_secs_f64(number(seconds, 0.001..=3600.0)?);
        Ok(Self {
            base,
            spread,
            crowded,
        })
    }
}

/// How much latencies differ, unless told otherwise.
const SIGMA: f64 = 0.3;
const FORMS: &str =
    "not constant:SECONDS, lognormal:SECONDS[:SIGMA], exponential:SECONDS or mm1:SECONDS";

fn number(text: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("{text} is not from {} to {}", range.start(), range.end()))
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.base.as_secs_f64();
        match (self.crowded, self.spread) {
            (true, _) => write!(f, "mm1:{base}"),
            (false, Spread::LogNormal(sigma)) => write!(f, "lognormal:{base}:{sigma}"),
            (false, Spread::Exponential) => write!(f, "exponential:{base}"),
            (false, _) => write!(f, "constant:{base}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn drawn(latency: &str, fullness: f64) -> Vec<Duration> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let latency: Latency = latency.parse().unwrap();
        let mut drawn: Vec<_> = (0..1001)
            .map(|_| latency.draw(1.0, fullness, &mut random))
            .collect();
        drawn.sort_unstable();
        drawn
    }

    #[test]
    fn a_constant_latency_is_constant() {
        let drawn = drawn("constant:0.2", 0.9);
        assert_eq!(
            (drawn[0], drawn[1000]),
            (drawn[500], Duration::from_millis(200))
        );
    }

    #[test]
    fn the_median_is_the_base() {
        let median = drawn("lognormal:0.2:0.3", 0.9)[500].as_secs_f64();
        assert!((0.19..0.21).contains(&median), "{median}");
    }

    #[test]
    fn some_37_per_cent_are_longer_than_the_mean_if_it_is_exponential() {
        let drawn = drawn("exponential:0.2", 0.9);
        let mean = Duration::from_millis(200);
        let longer = drawn.iter().filter(|&&latency| latency > mean).count();
        assert!((340..400).contains(&longer), "{longer}");
    }

    #[test]
    fn a_crowded_queue_is_at_most_twenty_times_slower() {
        let (half, full) = (drawn("mm1:1", 0.5), drawn("mm1:1", 1.0));
        assert!(half[0].as_secs_f64() >= 1.6 && half[1000].as_secs_f64() <= 2.4);
        assert!(full[0].as_secs_f64() >= 16.0 && full[1000].as_secs_f64() <= 24.01);
    }

    #[test]
    fn a_latency_that_there_is_not_is_an_error() {
        for text in [
            "",
            "constant",
            "constant:0",
            "lognormal:1:-1",
            "mm1:nan",
            "mm1:inf",
        ] {
            assert!(text.parse::<Latency>().is_err(), "{text}");
        }
    }
}
