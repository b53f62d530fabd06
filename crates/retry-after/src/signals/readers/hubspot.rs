//! `X-HubSpot-RateLimit-*`: a daily limit, and one per interval whose headers don't name it.

use super::families::{self, Field};
use crate::signals::heard::{Heard, Line, Outcome};

const PREFIX: &str = "x-hubspot-ratelimit-";

const FIELDS: &[(&str, Field, &str)] = &[
    ("daily", Field::Limit, "daily"),
    ("daily-remaining", Field::Remaining, "daily"),
    ("max", Field::Limit, "interval"),
    ("remaining", Field::Remaining, "interval"),
    (
        "interval-milliseconds",
        Field::WindowMilliseconds,
        "interval",
    ),
    ("secondly", Field::Limit, "secondly"),
    ("secondly-remaining", Field::Remaining, "secondly"),
];

pub(crate) fn read(heard: &mut Heard, line: &Line<'_>) -> Outcome {
    let Some(rest) = line.name().strip_prefix(PREFIX) else {
        return Outcome::NotMine;
    };
    match FIELDS.iter().find(|(word, ..)| *word == rest) {
        Some((_, field, name)) => families::set(heard, line, PREFIX, *field, Some(name)).into(),
        None => Outcome::NotMine,
    }
}
