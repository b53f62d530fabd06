//! The table of strategies.

use tower_throttle_aimd::AimdLayer;
use tower_throttle_congestion::{CongestionLayer, LittlesLaw};

use super::{Seat, Stack, ours as suite, peers};
use crate::{rivals::stkai::Preset, wire::Wire};

/// A line of the table.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    /// What number follows the name, if one does.
    pub(super) takes: Option<&'static str>,
    pub(super) about: &'static str,
    /// Whether it is of this suite.
    pub(super) ours: bool,
    pub(super) stack: Build,
}

const fn known(name: &'static str, about: &'static str, stack: Build) -> Known {
    Known {
        name,
        takes: None,
        about,
        ours: false,
        stack,
    }
}

const fn ours(name: &'static str, about: &'static str, stack: Build) -> Known {
    let known = known(name, about, stack);
    Known {
        ours: true,
        ..known
    }
}

type Build = fn(&Seat, Wire, u32) -> Stack;

/// No layer at all: what is refused stays refused.
pub(super) const BARE: Known = known("bare", "no layers", |_, wire, _| Stack::new(wire));

/// The only one that takes a number.
pub(super) const FIXED: Known = Known {
    name: "fixed",
    takes: Some("LIMIT"),
    about: "always at most so many in flight",
    ours: false,
    stack: peers::fixed,
};

/// Every strategy there is: ours, then what others do.
pub(super) const KNOWN: &[Known] = &[
    ours(
        "adaptive",
        "our recommended law, told the quota and the window, but not how many clients there are",
        |seat, wire, _| suite::adaptive(seat, wire),
    ),
    ours(
        "aimd:conservative",
        "our classic AIMD, told the same: halves on a 429",
        |seat, wire, _| suite::aimd(seat, AimdLayer::conservative(seat.rate), wire),
    ),
    ours(
        "aimd:balanced",
        "the same: takes 30 % off",
        |seat, wire, _| suite::aimd(seat, AimdLayer::balanced(seat.rate), wire),
    ),
    ours(
        "aimd:optimistic",
        "the same: takes 15 % off",
        |seat, wire, _| suite::aimd(seat, AimdLayer::optimistic(seat.rate), wire),
    ),
    ours(
        "congestion",
        "our limit on the concurrency: watches latency, refusals and failures; told nothing",
        |seat, wire, _| suite::congestion(seat, CongestionLayer::new(), wire),
    ),
    ours(
        "congestion:littles-law",
        "the same with Little's law",
        |seat, wire, _| suite::congestion(seat, CongestionLayer::with(LittlesLaw::new()), wire),
    ),
    ours(
        "adaptive+congestion",
        "both of ours, in one line",
        |seat, wire, _| suite::pair(seat, wire),
    ),
    ours(
        "token-bucket",
        "our token bucket in each client, told the whole quota",
        |seat, wire, _| suite::token_bucket(seat, wire),
    ),
    known(
        "none",
        "no limiter: 5 retries, after 1, 2, 4, 8 and 16 s, half of it at random",
        |seat, wire, _| peers::none(seat, wire),
    ),
    known(
        "share-of-n",
        "an oracle: paced to a fair share of the quota",
        |seat, wire, _| peers::share_of_n(seat, wire),
    ),
    known(
        "stkai:conservative",
        "the stkai SDK's law, told 20 % of the quota",
        |seat, wire, _| peers::stkai(seat, Preset::CONSERVATIVE, wire),
    ),
    known("stkai:balanced", "the same, told 40 %", |seat, wire, _| {
        peers::stkai(seat, Preset::BALANCED, wire)
    }),
    known(
        "stkai:optimistic",
        "the same, told 80 %",
        |seat, wire, _| peers::stkai(seat, Preset::OPTIMISTIC, wire),
    ),
    known(
        "stkai-sdk:none",
        "the stkai SDK's retries, and no limiter",
        |seat, wire, _| peers::stkai_retry(seat, wire),
    ),
    known(
        "stkai-sdk:conservative",
        "the stkai SDK as it is: told 100 per window, waits without a line, gives up in time",
        |seat, wire, _| peers::stkai_sdk(seat, Preset::CONSERVATIVE, wire),
    ),
    known("stkai-sdk:balanced", "the same", |seat, wire, _| {
        peers::stkai_sdk(seat, Preset::BALANCED, wire)
    }),
    known("stkai-sdk:optimistic", "the same", |seat, wire, _| {
        peers::stkai_sdk(seat, Preset::OPTIMISTIC, wire)
    }),
    known(
        "aws-cubic",
        "the AWS SDKs' adaptive mode",
        |seat, wire, _| peers::aws_cubic(seat, wire),
    ),
    known(
        "sre",
        "Google's adaptive throttling, K = 1.1",
        |seat, wire, _| peers::sre(seat, wire),
    ),
    known(
        "gradient2",
        "Netflix's Gradient2, never below 20 in flight",
        |seat, wire, _| peers::gradient2(seat, wire),
    ),
    known(
        "gradient2:from-1",
        "the same, never below 1",
        |seat, wire, _| peers::gradient2_from_1(seat, wire),
    ),
    known("vegas", "Netflix's Vegas", |seat, wire, _| {
        peers::vegas(seat, wire)
    }),
    known(
        "aimd-concurrency",
        "Netflix's AIMD, never below 20 in flight",
        |seat, wire, _| peers::aimd_concurrency(seat, wire),
    ),
    known(
        "aimd-concurrency:from-1",
        "the same, never below 1",
        |seat, wire, _| peers::aimd_concurrency_from_1(seat, wire),
    ),
    known(
        "tower-resilience:aimd",
        "tower-resilience's AIMD, slow above 0.5 s",
        |seat, wire, _| peers::tower_aimd(seat, wire),
    ),
    known(
        "tower-resilience:vegas",
        "tower-resilience's Vegas",
        |seat, wire, _| peers::tower_vegas(seat, wire),
    ),
    FIXED,
];
