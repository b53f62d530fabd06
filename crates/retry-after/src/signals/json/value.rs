use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Deeper values are passed over: the text is gone through once for each level.
const MAX_DEPTH: usize = 32;

/// A JSON value whose numbers are as they stood there.
///
/// *Why not `serde_json::Value`?* It makes floats of them: 1e999 is an error then, and hides all the rest.
/// Its feature that keeps the digits changes what `Value` is for everybody in a build.
#[derive(Debug)]
pub(crate) enum Json {
    Object(BTreeMap<String, Self>),
    Array(Vec<Self>),
    String(String),
    Number(String),
    /// `true`, `false`, `null`, or too deep.
    Other,
}

impl Json {
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        Self::of(serde_json::from_slice(text).ok()?, MAX_DEPTH)
    }

    fn of(raw: &RawValue, levels: usize) -> Option<Self> {
        let text = raw.get();
        let Some(levels) = levels.checked_sub(1) else {
            return Some(Self::Other);
        };
        Some(match text.as_bytes().first()? {
            b'{' => {
                let entries: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
                let entries = entries.into_iter();
                let entries = entries.map(|(key, raw)| Some((key, Self::of(raw, levels)?)));
                Self::Object(entries.collect::<Option<_>>()?)
            }
            b'[' => {
                let values: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                let values = values.into_iter().map(|raw| Self::of(raw, levels));
                Self::Array(values.collect::<Option<_>>()?)
            }
            b'"' => Self::String(serde_json::from_str(text).ok()?),
            b'-' | b'0'..=b'9' => Self::Number(text.to_owned()),
            _ => Self::Other,
        })
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => entries.get(key),
            _ => None,
        }
    }

    pub(crate) fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that isn't negative.
    pub(crate) fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(text) => text.parse().ok(),
            _ => None,
        }
    }
}
