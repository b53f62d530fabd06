//! Structured fields (RFC 9651): lists as the `RateLimit` fields use them, their dictionary form of
//! earlier drafts, and a last resort for what is neither.

use sfv::{BareItem, Dictionary, Item, List, ListEntry, Parameters, Parser};

use super::number::integer;

/// A member of a list: its value and its parameters.
#[derive(Debug, Default)]
pub(crate) struct Member {
    /// The value, if it is a string or a token.
    pub(crate) name: Option<String>,
    /// The value, if it is an integer that isn't negative.
    pub(crate) number: Option<u64>,
    pub(crate) params: Vec<(String, Param)>,
}

/// The value of a parameter.
#[derive(Debug)]
pub(crate) enum Param {
    /// An integer that isn't negative.
    Number(u64),
    /// A string or a token.
    Text(String),
    /// Anything else. It takes the place of an earlier value: the last one of a name counts.
    Other,
}

/// How a field had to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    List,
    Dictionary,
    LastResort,
}

impl Member {
    pub(crate) fn number_of(&self, key: &str) -> Option<u64> {
        match self.param(key)? {
            Param::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        match self.param(key)? {
            Param::Text(text) => Some(text),
            _ => None,
        }
    }

    fn is_nameless(&self) -> bool {
        self.name.is_none() && self.number.is_none()
    }

    fn param(&self, key: &str) -> Option<&Param> {
        let last = self.params.iter().rev().find(|(name, _)| name == key);
        last.map(|(_, value)| value)
    }
}

/// Reads a list; else a dictionary, as one member whose parameters are the entries and theirs.
pub(crate) fn strict(text: &[u8]) -> Option<(Vec<Member>, Syntax)> {
    if let Ok(list) = Parser::new(text).parse::<List>() {
        return Some((items(list), Syntax::List));
    }
    let dictionary = Parser::new(text).parse::<Dictionary>().ok()?;
    let member = Member {
        params: dictionary.into_iter().flat_map(entry).collect(),
        ..Member::default()
    };
    Some((vec![member], Syntax::Dictionary))
}

/// Takes what can be taken from a malformed field.
///
/// Members are what stands between commas, and their parts what stands between semicolons, both
/// outside quotes. A part `key=digits` is a parameter, and the last part before those the name: one
/// server sends `"fixed window";"api";q=500;w=300`. Members without a name in a row are one, as the
/// entries of a dictionary are.
pub(crate) fn last_resort(text: &[u8]) -> Vec<Member> {
    let text = String::from_utf8_lossy(text);
    let mut members: Vec<Member> = Vec::new();
    for part in split_outside_quotes(&text, ',') {
        let member = loose_member(part);
        match members.last_mut() {
            Some(last) if last.is_nameless() && member.is_nameless() => {
                last.params.extend(member.params)
            }
            _ => members.push(member),
        }
    }
    members
}

fn items(list: List) -> Vec<Member> {
    let items = list.into_iter().filter_map(|entry| match entry {
        ListEntry::Item(item) => Some(member(item)),
        ListEntry::InnerList(_) => None,
    });
    items.collect()
}

fn member(item: Item) -> Member {
    let params = params(item.params).collect();
    match param(item.bare_item) {
        Param::Number(number) => Member {
            number: Some(number),
            params,
            ..Member::default()
        },
        Param::Text(name) => Member {
            name: Some(name),
            params,
            ..Member::default()
        },
        Param::Other => Member {
            params,
            ..Member::default()
        },
    }
}

fn entry((key, entry): (sfv::Key, ListEntry)) -> Vec<(String, Param)> {
    match entry {
        ListEntry::Item(item) => {
            let first = (key.as_str().to_owned(), param(item.bare_item));
            std::iter::once(first).chain(params(item.params)).collect()
        }
        ListEntry::InnerList(_) => Vec::new(),
    }
}

fn params(params: Parameters) -> impl Iterator<Item = (String, Param)> {
    let params = params.into_iter();
    params.map(|(key, value)| (key.as_str().to_owned(), param(value)))
}

fn param(item: BareItem) -> Param {
    match item {
        BareItem::Integer(number) => {
            u64::try_from(i64::from(number)).map_or(Param::Other, Param::Number)
        }
        BareItem::String(text) => Param::Text(text.into()),
        BareItem::Token(text) => Param::Text(text.into()),
        _ => Param::Other,
    }
}

fn loose_member(text: &str) -> Member {
    let mut member = Member::default();
    for part in split_outside_quotes(text, ';') {
        match part.split_once('=') {
            Some((key, value)) => member.params.push(loose_param(key, value)),
            None if part.trim().is_empty() || !member.params.is_empty() => {}
            None => match loose_number(part) {
                Some(number) => member.number = Some(number),
                None => member.name = Some(unquote(part).to_owned()),
            },
        }
    }
    member
}

fn loose_param(key: &str, value: &str) -> (String, Param) {
    let value = match loose_number(value) {
        Some(number) => Param::Number(number),
        None => Param::Text(unquote(value).to_owned()),
    };
    (key.trim().to_ascii_lowercase(), value)
}

fn loose_number(text: &str) -> Option<u64> {
    let number = integer(text.trim().as_bytes())?;
    Some(u64::try_from(number).unwrap_or(u64::MAX))
}

fn unquote(text: &str) -> &str {
    text.trim().trim_matches('"')
}

/// Quotes that don't come in pairs don't count.
fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let paired = text.matches('"').count() % 2 == 0;
    let mut quoted = false;
    let parts = text.split(|c| {
        quoted ^= c == '"' && paired;
        c == separator && !quoted
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_with_the_last_of_a_repeated_parameter() {
        let (members, syntax) = strict(br#""a";r=5;r=9, b;r=-1;t=1.5, (1 2), 100;w=60"#).unwrap();
        assert_eq!(syntax, Syntax::List);
        assert_eq!(members.len(), 3);
        assert_eq!(members[0].name.as_deref(), Some("a"));
        assert_eq!(members[0].number_of("r"), Some(9));
        assert_eq!(members[1].name.as_deref(), Some("b"));
        assert_eq!(members[1].number_of("r"), None);
        assert_eq!(members[1].number_of("t"), None);
        assert_eq!(members[2].number, Some(100));
    }

    #[test]
    fn a_dictionary_is_one_member() {
        let (members, syntax) = strict(b"limit=100, remaining=50;x=1, reset=5").unwrap();
        assert_eq!(syntax, Syntax::Dictionary);
        assert_eq!(members.len(), 1);
        assert_eq!(members[0].number_of("limit"), Some(100));
        assert_eq!(members[0].number_of("remaining"), Some(50));
        assert_eq!(members[0].number_of("reset"), Some(5));
    }

    #[test]
    fn the_last_resort_takes_what_it_can() {
        assert!(strict(br#""fixed window";"api";q=500"#).is_none());
        let members = last_resort(br#""fixed window";"a,pi";q=500;w=300,, 10;w=1,"#);
        assert_eq!(members.len(), 4);
        assert_eq!(members[0].name.as_deref(), Some("a,pi"));
        assert_eq!(members[0].number_of("q"), Some(500));
        assert_eq!(members[2].number, Some(10));
    }

    #[test]
    fn an_unpaired_quote_hides_nothing() {
        let members = last_resort(br#""default;r=0;t=30"#);
        assert_eq!(members[0].name.as_deref(), Some("default"));
        assert_eq!(members[0].number_of("r"), Some(0));
        assert_eq!(members[0].number_of("t"), Some(30));
    }
}
