//! `X-Shopify-Shop-Api-Call-Limit: 32/40`, and the same from those who copied it: 32 **used** of 40.

use crate::signals::{
    heard::{Heard, Line, Outcome},
    number::Decimal,
    text::trim,
};

const SUFFIX: &str = "-api-call-limit";

pub(crate) fn read(heard: &mut Heard, line: &Line<'_>) -> Outcome {
    if line.name().ends_with(SUFFIX) {
        set(heard, line).into()
    } else {
        Outcome::NotMine
    }
}

fn set(heard: &mut Heard, line: &Line<'_>) -> Option<()> {
    let slash = line.text.iter().position(|b| *b == b'/')?;
    let used = Decimal::parse(trim(&line.text[..slash]))?.floor();
    let quota = Decimal::parse(trim(&line.text[slash + 1..]))?.floor();
    let draft = heard.draft(line.name(), None)?;
    draft.limit(quota);
    draft.used(used);
    Some(())
}
