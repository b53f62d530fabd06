//! `X-Sentry-Rate-Limits: 120:error;transaction:organization:reason, 60::key`: a pause for each
//! category; no category is all of them.

use crate::signals::{
    draft::{Repeated, ResetBy},
    heard::{Heard, Line, Outcome},
    text::trim,
    time::Unit,
};

const HEADER: &str = "x-sentry-rate-limits";

pub(crate) fn read(heard: &mut Heard, line: &Line<'_>) -> Outcome {
    if line.name() != HEADER {
        return Outcome::NotMine;
    }
    let groups = line.text.split(|b| *b == b',');
    let known = groups.filter_map(|group| pause(heard, line, trim(group)));
    (known.count() > 0).then_some(()).into()
}

fn pause(heard: &mut Heard, line: &Line<'_>, group: &[u8]) -> Option<()> {
    let mut parts = group.split(|b| *b == b':').map(trim);
    let timed = heard.base.read(parts.next()?, Unit::BySize)?;
    for category in parts.next().unwrap_or_default().split(|b| *b == b';') {
        let category = std::str::from_utf8(trim(category)).ok()?;
        let name = if category.is_empty() { "*" } else { category };
        let draft = heard.draft(HEADER, Some(name))?;
        draft.remaining(0);
        // A category may be named a thousand times: no reading is made that wouldn't count.
        if draft.limit.reset < Some(timed.wait) {
            draft.reset(ResetBy::Reset, line.reading(timed), Repeated::Longest);
        }
    }
    Some(())
}
