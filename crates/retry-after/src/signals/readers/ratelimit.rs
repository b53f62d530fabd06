//! `RateLimit` and `RateLimit-Policy`, the fields of the IETF.
//!
//! Read as [draft-ietf-httpapi-ratelimit-headers-10] has them, then as draft 7 did (a dictionary),
//! then, unless the profile is strict, by picking out what can be picked out. The triple
//! `RateLimit-Limit`, `-Remaining`, `-Reset` of drafts 0 to 6 is a [family](super::families); its
//! quotas come here.
//!
//! [draft-ietf-httpapi-ratelimit-headers-10]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/10/

use std::time::Duration;

use http::HeaderName;

use crate::signals::{
    heard::{Heard, Line, MAX_LIMITS, MAX_VALUE, Outcome},
    limit::Limit,
    reading::{Reading, Source},
    structured::{Member, Syntax, last_resort, strict},
    text::excerpt,
    time::{Base, Timed},
};

/// The lines of the two fields, each as one list, and the quotas that were given elsewhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    limits: Vec<u8>,
    policies: Vec<u8>,
    pub(crate) quotas: Vec<Policy>,
}

/// A quota: `"burst";q=100;w=60`, or `100;w=60` in earlier drafts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    name: Option<String>,
    quota: u64,
    window: Option<Duration>,
    unit: Option<String>,
    guessed: bool,
}

pub(crate) fn read(heard: &mut Heard, line: &Line<'_>) -> Outcome {
    let field = match line.name() {
        "ratelimit" => &mut heard.fields.limits,
        "ratelimit-policy" => &mut heard.fields.policies,
        _ => return Outcome::NotMine,
    };
    if field.len() + line.text.len() > MAX_VALUE {
        return Outcome::Unread;
    }
    if !field.is_empty() {
        field.extend_from_slice(b", ");
    }
    field.extend_from_slice(line.text);
    Outcome::Read
}

impl Fields {
    /// Adds the limits that the fields tell to those of the families, which their quotas may complete.
    pub(crate) fn finish(self, families: Vec<Limit>, base: &Base, strictly: bool) -> Vec<Limit> {
        let mut limits = self.limits(base, strictly);
        limits.extend(families);
        limits.truncate(MAX_LIMITS);
        let policies = self.policies(strictly);
        let alone = policies.len() == 1;
        for policy in policies {
            policy.join(&mut limits, alone);
        }
        limits
    }

    fn limits(&self, base: &Base, strictly: bool) -> Vec<Limit> {
        let (members, syntax) = members(&self.limits, strictly);
        let members = members.iter();
        let limits = members.filter_map(|member| {
            self.item(member, base)
                .or_else(|| self.dictionary(member, base))
        });
        let guessed = syntax == Syntax::LastResort;
        limits.map(|limit| Limit { guessed, ..limit }).collect()
    }

    /// `"default";r=50;t=30`. Without `r` it is malformed, and ignored.
    fn item(&self, member: &Member, base: &Base) -> Option<Limit> {
        let mut limit = Limit {
            name: member.name.clone(),
            remaining: Some(member.number_of("r")?),
            ..Limit::default()
        };
        if let Some(reset) = member.number_of("t") {
            limit.set_reset(self.reading(base.seconds(reset)));
        }
        Some(limit)
    }

    /// `limit=100, remaining=50, reset=5`.
    fn dictionary(&self, member: &Member, base: &Base) -> Option<Limit> {
        let mut limit = Limit {
            limit: member.number_of("limit"),
            remaining: member.number_of("remaining"),
            ..Limit::default()
        };
        if let Some(reset) = member.number_of("reset") {
            limit.set_reset(self.reading(base.by_size(reset)));
        }
        (member.name.is_none() && limit.says_something()).then_some(limit)
    }

    fn policies(&self, strictly: bool) -> Vec<Policy> {
        let (members, syntax) = members(&self.policies, strictly);
        let guessed = syntax == Syntax::LastResort;
        let told = members.iter().filter_map(Policy::new);
        let told = told.map(|policy| Policy { guessed, ..policy });
        let mut policies = Vec::new();
        for policy in self.quotas.iter().cloned().chain(told).take(MAX_LIMITS) {
            if !policies.contains(&policy) {
                policies.push(policy);
            }
        }
        policies
    }

    fn reading(&self, timed: Timed) -> Reading {
        let source = Source::Header(HeaderName::from_static("ratelimit"));
        Reading::new(timed, source, excerpt(&self.limits))
    }
}

impl Policy {
    fn new(member: &Member) -> Option<Self> {
        let quota = match member.name {
            Some(_) => member.number_of("q"),
            None => member.number,
        };
        let window = member.number_of("w").filter(|seconds| *seconds > 0);
        Some(Self {
            name: member.name.clone(),
            quota: quota?,
            window: window.map(Duration::from_secs),
            unit: member.text_of("qu").map(str::to_owned),
            guessed: false,
        })
    }

    /// A quota of earlier drafts, with a window.
    pub(crate) fn unnamed(member: &Member) -> Option<Self> {
        Self::new(member).filter(|policy| policy.name.is_none() && policy.window.is_some())
    }

    /// Completes the limits that this is the quota of; if there is none, it is a limit by itself.
    fn join(self, limits: &mut Vec<Limit>, alone: bool) {
        let mut joined = false;
        for limit in limits.iter_mut().filter(|limit| self.fits(limit, alone)) {
            // The window stands in for a reset that isn't told: then a pace would be made of a guess.
            let by_window = limit.reset.or(limit.window).is_none() && self.window.is_some();
            limit.guessed |= self.guessed && by_window;
            limit.limit = Some(self.quota);
            limit.window = limit.window.or(self.window);
            limit.unit = limit.unit.take().or_else(|| self.unit.clone());
            joined = true;
        }
        if !joined && limits.len() < MAX_LIMITS {
            limits.push(self.into_limit());
        }
    }

    /// A quota without a name belongs to the limit of that many, or to the only one there is.
    fn fits(&self, limit: &Limit, alone: bool) -> bool {
        let unknown = self.name.is_some() || alone;
        let quota = limit.limit.map_or(unknown, |quota| quota == self.quota);
        let window = limit.window.is_none() || self.window.is_none() || limit.window == self.window;
        limit.name == self.name && quota && window
    }

    fn into_limit(self) -> Limit {
        let limit = match self.name {
            Some(name) => Limit {
                limit: Some(self.quota),
                window: self.window,
                unit: self.unit,
                ..Limit::named(name)
            },
            None => Limit::unnamed_policy(self.quota, self.window),
        };
        let guessed = self.guessed;
        Limit { guessed, ..limit }
    }
}

fn members(text: &[u8], strictly: bool) -> (Vec<Member>, Syntax) {
    strict(text).unwrap_or_else(|| {
        let guesses = if strictly {
            Vec::new()
        } else {
            last_resort(text)
        };
        (guesses, Syntax::LastResort)
    })
}
