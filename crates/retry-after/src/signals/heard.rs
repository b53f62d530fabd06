//! What is heard while going through the headers, before it is settled what it comes to.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Cause, Directive, Profile, Unread,
    draft::{Draft, finish},
    limit::Limit,
    readers::{may_want, ratelimit::Fields},
    reading::{Reading, Source},
    text::{excerpt, trim},
    time::{Base, Timed},
};

/// No header value longer than this is looked at: 8 KiB.
pub(crate) const MAX_VALUE: usize = 8 * 1024;
/// No more limits than this are kept: 64.
pub(crate) const MAX_LIMITS: usize = 64;
/// No more of what couldn't be read is kept than this: 16.
const MAX_UNREAD: usize = 16;

/// One field line, and how to read it.
pub(crate) struct Line<'a> {
    pub(crate) header: &'a HeaderName,
    pub(crate) text: &'a [u8],
    pub(crate) profile: &'a Profile,
}

/// Reads a line if it is the reader's to read.
pub(crate) type Reader = fn(&mut Heard, &Line<'_>) -> Outcome;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Somebody else may read it.
    NotMine,
    Read,
    /// It should have said something, and couldn't be understood.
    Unread,
}

/// What may say for how long to wait, the most trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Pushback,
    RetryAfterMs,
    XMsRetryAfterMs,
    AmzRetryAfter,
    RetryAfter,
    XRetryAfter,
    RateLimitRetryAfter,
    RateLimitAfter,
    StatusDetails,
    #[cfg(feature = "json")]
    Body,
}

#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) base: Base,
    /// The longest of each rank, by rank.
    pub(crate) waits: Vec<(Rank, Reading)>,
    pub(crate) directive: Option<Directive>,
    pub(crate) pushbacks: usize,
    pub(crate) grpc_status: Option<u32>,
    pub(crate) cause: Option<Cause>,
    pub(crate) unread: Vec<Unread>,
    pub(crate) drafts: Vec<Draft>,
    pub(crate) fields: Fields,
}

impl Line<'_> {
    pub(crate) fn name(&self) -> &str {
        self.header.as_str()
    }

    pub(crate) fn reading(&self, timed: Timed) -> Reading {
        let source = Source::Header(self.header.clone());
        Reading::new(timed, source, excerpt(self.text))
    }
}

impl From<Option<()>> for Outcome {
    fn from(read: Option<()>) -> Self {
        read.map_or(Self::Unread, |()| Self::Read)
    }
}

impl Heard {
    pub(crate) fn new(base: Base) -> Self {
        Self {
            base,
            waits: Vec::new(),
            directive: None,
            pushbacks: 0,
            grpc_status: None,
            cause: None,
            unread: Vec::new(),
            drafts: Vec::new(),
            fields: Fields::default(),
        }
    }

    pub(crate) fn listen(&mut self, headers: &HeaderMap, profile: &Profile, readers: &[Reader]) {
        for (header, value) in headers {
            if may_want(header.as_str()) {
                self.hear(header, value, profile, readers);
            }
        }
    }

    fn hear(
        &mut self,
        header: &HeaderName,
        value: &HeaderValue,
        profile: &Profile,
        readers: &[Reader],
    ) {
        let text = trim(value.as_bytes());
        let fits = value.len() <= MAX_VALUE;
        let line = Line {
            header,
            text: if fits { text } else { &[] },
            profile,
        };
        let outcomes = readers.iter().map(|read| read(self, &line));
        let outcome = first_taker(outcomes);
        let room = self.unread.len() < MAX_UNREAD;
        if room && (outcome == Outcome::Unread || outcome == Outcome::Read && !fits) {
            self.unread.push(Unread::new(header.clone(), excerpt(text)));
        }
    }

    /// The limits, once all is heard.
    pub(crate) fn limits(&mut self, profile: &Profile) -> Vec<Limit> {
        let families = finish(std::mem::take(&mut self.drafts));
        let fields = std::mem::take(&mut self.fields);
        fields.finish(families, &self.base, profile.reads_strictly())
    }

    /// Takes note of a wait; the longest of a rank counts.
    pub(crate) fn wait(&mut self, rank: Rank, reading: Reading) {
        match self.waits.binary_search_by_key(&rank, |(rank, _)| *rank) {
            Ok(at) if reading.wait() > self.waits[at].1.wait() => self.waits[at].1 = reading,
            Ok(_) => {}
            Err(at) => self.waits.insert(at, (rank, reading)),
        }
    }

    /// The wait that counts: the most trusted one.
    ///
    /// Only if that is zero and another isn't, then the other: servers contradict themselves, and
    /// waiting as told is safer. But a pushback of zero means *retry now* (gRPC A6).
    pub(crate) fn chosen(&self) -> Option<&Reading> {
        let mut trusted = self.waits.iter();
        let decides =
            |wait: &&(Rank, Reading)| !wait.1.wait().is_zero() || wait.0 == Rank::Pushback;
        let chosen = trusted.find(decides).or_else(|| self.waits.first());
        chosen.map(|(_, reading)| reading)
    }

    /// Not to retry beats to retry.
    pub(crate) fn direct(&mut self, directive: Directive) {
        if self.directive != Some(Directive::NoRetry) {
            self.directive = Some(directive);
        }
    }

    /// The draft of this name in this family; `None` if there are too many limits already.
    pub(crate) fn draft(&mut self, family: &str, name: Option<&str>) -> Option<&mut Draft> {
        let at = self.drafts.iter().position(|draft| draft.is(family, name));
        if at.is_none() && self.drafts.len() == MAX_LIMITS {
            return None;
        }
        let at = at.unwrap_or_else(|| {
            self.drafts.push(Draft::new(family, name));
            self.drafts.len() - 1
        });
        self.drafts.get_mut(at)
    }
}

fn first_taker(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    let mut outcomes = outcomes.filter(|outcome| *outcome != Outcome::NotMine);
    outcomes.next().unwrap_or(Outcome::NotMine)
}
