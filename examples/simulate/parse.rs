//! What single arguments may look like.

use std::time::Duration;

use tower_throttle_sim::run::{Change, What};

/// `unit`: how many seconds the number before the colon counts.
pub(crate) fn steps<T: Copy>(
    steps: &[(f64, T)],
    unit: f64,
    what: fn(T) -> What,
) -> impl Iterator<Item = Change> {
    steps.iter().map(move |&(at, value)| Change {
        at: Duration::from_secs_f64(at * unit),
        what: what(value),
    })
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let number = number(text, 0.1, 86_400.0)?;
    Ok(Duration::from_secs_f64(number))
}

pub(crate) fn fraction(text: &str) -> Result<f64, String> {
    number(text, 0.001, 1000.0)
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("must be a number from {least} to {most}"))
}

/// Two numbers with a colon between them; neither is negative.
pub(crate) fn pair<A: Number, B: Number>(text: &str) -> Result<(A, B), String> {
    let pair = text
        .split_once(':')
        .and_then(|(first, second)| Some((A::read(first)?, B::read(second)?)));
    pair.ok_or_else(|| "must be two numbers with a colon between them".to_owned())
}

pub(crate) trait Number: Sized {
    fn read(text: &str) -> Option<Self>;
}

impl Number for u32 {
    fn read(text: &str) -> Option<Self> {
        text.parse()
            .ok()
            .filter(|number| (1..=1_000_000).contains(number))
    }
}

impl Number for f64 {
    fn read(text: &str) -> Option<Self> {
        number(text, 0.0, 1e6).ok()
    }
}
