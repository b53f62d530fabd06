//! Limits that are being put together from several headers.

use std::time::Duration;

use super::{limit::Limit, reading::Reading};

/// A limit that is being put together from several headers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    /// What the names of its headers have in common.
    family: String,
    pub(crate) limit: Limit,
    reset_by: Option<ResetBy>,
}

/// What may say when a limit is replenished, the most trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ResetBy {
    ResetAfter,
    Reset,
    ResetTime,
    Next,
}

/// Which of several resets of one limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeated {
    Longest,
    Shortest,
}

impl Draft {
    pub(crate) fn new(family: &str, name: Option<&str>) -> Self {
        Self {
            family: family.to_owned(),
            limit: Limit {
                name: name.map(str::to_owned),
                ..Limit::default()
            },
            reset_by: None,
        }
    }

    pub(crate) fn is(&self, family: &str, name: Option<&str>) -> bool {
        self.family == family && self.limit.name.as_deref() == name
    }

    /// The most trusted reset counts; among equals, the one that `repeated` says.
    pub(crate) fn reset(&mut self, by: ResetBy, reading: Reading, repeated: Repeated) {
        let (old, new) = (self.limit.reset, Some(reading.wait()));
        let better = match repeated {
            Repeated::Longest => new > old,
            Repeated::Shortest => new < old,
        };
        let counts = |old| by < old || by == old && better;
        if self.reset_by.is_none_or(counts) {
            self.reset_by = Some(by);
            self.limit.set_reset(reading);
        }
    }

    /// The smaller quota counts.
    pub(crate) fn limit(&mut self, quota: u64) {
        self.limit.limit = Some(self.limit.limit.map_or(quota, |old| old.min(quota)));
    }

    /// The smaller rest counts.
    pub(crate) fn remaining(&mut self, left: u64) {
        self.limit.remaining = Some(self.limit.remaining.map_or(left, |old| old.min(left)));
    }

    /// The larger use counts.
    pub(crate) fn used(&mut self, used: u64) {
        self.limit.used = self.limit.used.max(Some(used));
    }

    /// The larger use counts.
    pub(crate) fn utilization(&mut self, used: f64) {
        let old = self.limit.utilization.unwrap_or_default();
        self.limit.utilization = Some(old.max(used));
    }

    /// The longer window counts.
    pub(crate) fn window(&mut self, window: Option<Duration>) {
        let window = window.filter(|window| !window.is_zero());
        self.limit.window = self.limit.window.max(window);
    }
}

/// Makes limits of drafts: what two families of headers say alike is one limit; what they say
/// differently is two. Limits without a name come first, then the requests, then the rest.
pub(crate) fn finish(drafts: Vec<Draft>) -> Vec<Limit> {
    let mut limits: Vec<Limit> = Vec::new();
    for Draft { limit, .. } in drafts {
        match limits.iter_mut().find(|other| other.agrees_with(&limit)) {
            Some(other) => other.absorb(limit),
            None => limits.push(limit),
        }
    }
    limits.iter_mut().for_each(fill_in_remaining);
    limits.retain(Limit::says_something);
    limits.sort_by_key(|limit| match limit.name.as_deref() {
        None => 0,
        Some("requests") => 1,
        Some(_) => 2,
    });
    limits
}

/// Where both what remains and what is used are told, the tighter counts.
fn fill_in_remaining(limit: &mut Limit) {
    let left = limit.limit.zip(limit.used);
    let left = left.map(|(quota, used)| quota.saturating_sub(used));
    limit.remaining = [limit.remaining, left].into_iter().flatten().min();
}
