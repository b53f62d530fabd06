//! `zendesk-ratelimit-tickets-index: total=100; remaining=99; resets=41`: a limit per endpoint.

use crate::signals::{
    draft::ResetBy,
    heard::{Heard, Line, Outcome},
    number::Decimal,
    text::trim,
    time::Unit,
};

const PREFIX: &str = "zendesk-ratelimit-";

pub(crate) fn read(heard: &mut Heard, line: &Line<'_>) -> Outcome {
    let Some(name) = line.name().strip_prefix(PREFIX) else {
        return Outcome::NotMine;
    };
    let parts = line.text.split(|b| *b == b';');
    let known = parts.filter_map(|part| set(heard, line, name, part));
    (known.count() > 0).then_some(()).into()
}

fn set(heard: &mut Heard, line: &Line<'_>, name: &str, part: &[u8]) -> Option<()> {
    let equals = part.iter().position(|b| *b == b'=')?;
    let (key, value) = (trim(&part[..equals]), trim(&part[equals + 1..]));
    let number = Decimal::parse(value)?.floor();
    let timed = heard.base.read(value, Unit::BySize)?;
    let draft = heard.draft(PREFIX, Some(name))?;
    match key {
        b"total" => draft.limit(number),
        b"remaining" => draft.remaining(number),
        b"resets" => draft.reset(ResetBy::Reset, line.reading(timed), line.profile.repeated()),
        _ => return None,
    }
    Some(())
}
