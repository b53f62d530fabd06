//! The table of strategies.

use tower_throttle_aimd::AimdLayer;
use tower_throttle_congestion::{CongestionLayer, LittlesLaw};

use super::{Seat, Stack, ours as suite, peers};
use crate::{rivals::stkai::Preset, wire::Wire};

/// A line of the table.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Whether it is of this suite.
    pub(super) ours: bool,
    pub(super) stack: Build,
}

/// How its layers are put around a wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Build {
    Plain(fn(&Seat, Wire) -> Stack),
    /// A number follows its name.
    Numbered(fn(&Seat, Wire, u32) -> Stack),
}

impl Known {
    /// What the number is that follows the name, if one does.
    pub(super) const fn takes(&self) -> Option<&'static str> {
        match self.stack {
            Build::Plain(_) => None,
            Build::Numbered(_) => Some("LIMIT"),
        }
    }
}

const fn known(name: &'static str, about: &'static str, stack: fn(&Seat, Wire) -> Stack) -> Known {
    Known {
        name,
        about,
        ours: false,
        stack: Build::Plain(stack),
    }
}

const fn ours(name: &'static str, about: &'static str, stack: fn(&Seat, Wire) -> Stack) -> Known {
    let known = known(name, about, stack);
    Known {
        ours: true,
        ..known
    }
}

/// No layer at all: what is refused stays refused.
pub(super) const BARE: Known = known("bare", "no layers", |_, wire| Stack::new(wire));

/// The only one that takes a number.
pub(super) const FIXED: Known = Known {
    name: "fixed",
    about: "always at most so many in flight",
    ours: false,
    stack: Build::Numbered(peers::fixed),
};

/// Every strategy there is: ours, then what others do.
pub(super) const KNOWN: &[Known] = &[
    ours(
        "adaptive",
        "our recommended law, told the quota and the window, but not how many clients there are",
        suite::adaptive,
    ),
    ours(
        "aimd:conservative",
        "our classic AIMD, told the same: halves on a 429",
        |seat, wire| suite::aimd(seat, AimdLayer::conservative(seat.rate), wire),
    ),
    ours("aimd:balanced", "the same: takes 30 % off", |seat, wire| {
        suite::aimd(seat, AimdLayer::balanced(seat.rate), wire)
    }),
    ours(
        "aimd:optimistic",
        "the same: takes 15 % off",
        |seat, wire| suite::aimd(seat, AimdLayer::optimistic(seat.rate), wire),
    ),
    ours(
        "congestion",
        "our limit on the concurrency: watches latency, refusals and failures; told nothing",
        |seat, wire| suite::congestion(seat, suite::gradient(), wire),
    ),
    ours(
        "congestion:apart",
        "the same, but the clients don't agree when to probe the server",
        |seat, wire| suite::congestion(seat, suite::gradient_apart(seat), wire),
    ),
    ours(
        "congestion:littles-law",
        "the same with Little's law",
        |seat, wire| suite::congestion(seat, CongestionLayer::with(LittlesLaw::new()), wire),
    ),
    ours(
        "adaptive+congestion",
        "both of ours, in one line",
        suite::pair,
    ),
    ours(
        "token-bucket",
        "our token bucket in each client, told the whole quota",
        suite::token_bucket,
    ),
    known(
        "none",
        "no limiter: 5 retries, after 1, 2, 4, 8 and 16 s, half of it at random",
        peers::none,
    ),
    known(
        "share-of-n",
        "an oracle: paced to a fair share of the quota",
        peers::share_of_n,
    ),
    known(
        "stkai:conservative",
        "the stkai SDK's law, told 20 % of the quota",
        |seat, wire| peers::stkai(seat, Preset::CONSERVATIVE, wire),
    ),
    known("stkai:balanced", "the same, told 40 %", |seat, wire| {
        peers::stkai(seat, Preset::BALANCED, wire)
    }),
    known("stkai:optimistic", "the same, told 80 %", |seat, wire| {
        peers::stkai(seat, Preset::OPTIMISTIC, wire)
    }),
    known(
        "stkai-sdk:none",
        "the stkai SDK's retries, and no limiter",
        peers::stkai_retry,
    ),
    known(
        "stkai-sdk:conservative",
        "the stkai SDK as it is: told 100 per window, waits without a line, gives up in time",
        |seat, wire| peers::stkai_sdk(seat, Preset::CONSERVATIVE, wire),
    ),
    known("stkai-sdk:balanced", "the same", |seat, wire| {
        peers::stkai_sdk(seat, Preset::BALANCED, wire)
    }),
    known("stkai-sdk:optimistic", "the same", |seat, wire| {
        peers::stkai_sdk(seat, Preset::OPTIMISTIC, wire)
    }),
    known("aws-cubic", "the AWS SDKs' adaptive mode", peers::aws_cubic),
    known("sre", "Google's adaptive throttling, K = 1.1", peers::sre),
    known(
        "gradient2",
        "Netflix's Gradient2, in windows of a second, never below 20 in flight",
        peers::gradient2,
    ),
    known(
        "gradient2:per-call",
        "the same, without windows",
        peers::gradient2_per_call,
    ),
    known(
        "gradient2:from-1",
        "the same, never below 1",
        peers::gradient2_from_1,
    ),
    known("vegas", "Netflix's Vegas", peers::vegas),
    known(
        "aimd-concurrency",
        "Netflix's AIMD, never below 20 in flight",
        peers::aimd_concurrency,
    ),
    known(
        "aimd-concurrency:from-1",
        "the same, never below 1",
        peers::aimd_concurrency_from_1,
    ),
    known(
        "tower-resilience:aimd",
        "tower-resilience's AIMD, slow above 0.5 s",
        peers::tower_aimd,
    ),
    known(
        "tower-resilience:vegas",
        "tower-resilience's Vegas",
        peers::tower_vegas,
    ),
    FIXED,
];
