//! Small things done to the bytes of a header.

/// How much of a value is kept to show where a reading came from: 80 bytes.
const MAX_RAW: usize = 80;

/// Takes away the optional whitespace around a field value (RFC 9110 §5.6.3).
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let ows = |b: &u8| matches!(b, b' ' | b'\t');
    let start = text.iter().position(|b| !ows(b)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|b| !ows(b))
        .map_or(start, |at| at + 1);
    &text[start..end]
}

/// The beginning of a value for somebody to read.
pub(crate) fn excerpt(text: &[u8]) -> Box<str> {
    let cut = &text[..text.len().min(MAX_RAW)];
    let mut shown = String::from_utf8_lossy(cut).into_owned();
    if cut.len() < text.len() {
        shown.push('…');
    }
    shown.into_boxed_str()
}
