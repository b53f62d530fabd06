//! `X-RateLimit: {"name":"API","period":10,"limit":50,"remaining":0,"until":"…"}`: JSON in a header.

use crate::signals::heard::{Heard, Line, Outcome};

pub(crate) fn read(heard: &mut Heard, line: &Line<'_>) -> Outcome {
    match line.name() {
        "x-ratelimit" if line.text.starts_with(b"{") => set(heard, line).into(),
        _ => Outcome::NotMine,
    }
}

#[cfg(feature = "json")]
fn set(heard: &mut Heard, line: &Line<'_>) -> Option<()> {
    use std::time::Duration;

    use crate::signals::{draft::ResetBy, json::Json, time::Unit};

    let value = Json::parse(line.text)?;
    let name = value.get("name").and_then(|name| name.as_str());
    let until = value.get("until").and_then(|until| until.as_str());
    let until = until.and_then(|until| heard.base.read(until.as_bytes(), Unit::BySize));
    let draft = heard.draft("x-ratelimit", name)?;
    let number = |key| value.get(key).and_then(Json::as_u64);
    number("limit")
        .into_iter()
        .for_each(|quota| draft.limit(quota));
    number("remaining")
        .into_iter()
        .for_each(|left| draft.remaining(left));
    draft.window(number("period").map(Duration::from_secs));
    if let Some(timed) = until {
        draft.reset(ResetBy::Reset, line.reading(timed), line.profile.repeated());
    }
    Some(())
}

#[cfg(not(feature = "json"))]
fn set(_heard: &mut Heard, _line: &Line<'_>) -> Option<()> {
    None
}
