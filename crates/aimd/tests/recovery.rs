//! How the laws come back from what a server does to them, and what they make of answers that are neither
//! successes nor refusals: one client that always has something to send.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tower_throttle_aimd::{Adaptive, Aimd, Cause, Ended, Law, Paced, PacedPermit, Sent};
use tower_throttle_core::{Limiter, Outcome, Wait, now};
use tower_throttle_jitter::Generator;
use tower_throttle_retry_after::Word;
use tower_throttle_token_bucket::Rate;

const SECOND: Duration = Duration::from_secs(1);

/// A client, and a server that answers after `latency`.
struct Solo<L: Law> {
    paced: Paced<L>,
    start: Instant,
    now: Instant,
    latency: Duration,
    cost: u32,
    flying: VecDeque<(Instant, PacedPermit, Outcome)>,
    accepted: u32,
    refused: u32,
}

impl<L: Law> Solo<L> {
    fn new(law: L) -> Self {
        let start = now() + SECOND;
        Self {
            paced: Paced::new(law, start),
            start,
            now: start,
            latency: SECOND / 20,
            cost: 1,
            flying: VecDeque::new(),
            accepted: 0,
            refused: 0,
        }
    }

    /// For so many seconds. The server is told the seconds since the start.
    fn run(&mut self, seconds: u32, mut server: impl FnMut(f64) -> Outcome) {
        let end = self.now + SECOND * seconds;
        while self.step(end, &mut server) {}
        self.now = end;
    }

    fn step(&mut self, end: Instant, server: &mut impl FnMut(f64) -> Outcome) -> bool {
        let due = match self.paced.check(&self.cost, self.now) {
            Wait::Now => self.now,
            Wait::Until(at) => at,
            wait => panic!("{wait:?}"),
        };
        let landing = self.flying.front().map(|(at, ..)| *at);
        let next = landing.filter(|at| *at <= due).unwrap_or(due);
        if next > end {
            return false;
        }
        self.now = next;
        if landing == Some(next) {
            self.land();
        } else {
            let permit = self.paced.take(self.cost, next);
            let outcome = server((next - self.start).as_secs_f64());
            self.flying
                .push_back((next + self.latency, permit, outcome));
        }
        true
    }

    fn land(&mut self) {
        let (_, permit, outcome) = self.flying.pop_front().unwrap();
        self.accepted += u32::from(outcome == Outcome::Succeeded);
        self.refused += u32::from(outcome == Outcome::Throttled);
        self.paced.complete(permit, Some(word(outcome)), self.now);
    }

    fn rate(&self) -> f64 {
        self.paced.rate(self.now)
    }

    /// How many windows it takes until 80 % of a quota of 100 per window are used.
    fn windows_until_it_is_used(&mut self, window: u32) -> u32 {
        let mut server = fixed(100, window.into());
        let is_used = |_: &u32| {
            let before = self.accepted;
            self.run(window, &mut server);
            self.accepted - before >= 80
        };
        (1..1000).find(is_used).unwrap()
    }
}

fn word(outcome: Outcome) -> Word {
    Word::new(outcome, None)
}

/// So many requests in each fixed window.
fn fixed(quota: u32, window: f64) -> impl FnMut(f64) -> Outcome {
    let (mut latest, mut used) = (0.0, 0);
    move |at| {
        let this = (at / window).floor();
        used = if this > latest { 1 } else { used + 1 };
        latest = this;
        either(used > quota)
    }
}

fn either(refused: bool) -> Outcome {
    if refused {
        Outcome::Throttled
    } else {
        Outcome::Succeeded
    }
}

// The time over which a law counted, and so that after which it looked for more, grew as its rate fell:
// after ten minutes of this it took hundreds to thousands of windows.
#[test]
fn a_rate_recovers_from_a_partial_outage_within_forty_windows() {
    for seed in 1..=5 {
        let mut solo = Solo::new(Adaptive::new().seed(seed));
        solo.run(300, fixed(100, 10.0));
        let mut random = Generator::seeded(seed);
        solo.run(600, |_| either(random.unit() < 0.5));
        let windows = solo.windows_until_it_is_used(10);
        assert!(windows <= 40, "{windows}");
    }
}

// What remained after a refusal was one token per window, however many a request costs.
#[test]
fn a_refused_request_of_many_tokens_does_not_stop_those_after_it_for_days() {
    let law = Adaptive::new()
        .window(60 * SECOND)
        .max_rate(Rate::per_minute(60_000));
    let mut solo = Solo::new(law.seed(1));
    solo.cost = 5000;
    solo.now += 300 * SECOND;
    solo.run(1, |_| Outcome::Succeeded);
    solo.now += 120 * SECOND;
    let mut first = true;
    solo.run(3600, |_| either(std::mem::take(&mut first)));
    assert!(solo.accepted >= 60, "{}", solo.accepted);
}

// The start was half a token per second: the second request waited for half an hour.
#[test]
fn a_law_that_knows_nothing_starts_in_requests_whatever_they_cost() {
    let accepted = [1, 1000, 50_000].map(|cost| {
        let mut solo = Solo::new(Adaptive::new().seed(1));
        solo.cost = cost;
        solo.run(20, |_| Outcome::Succeeded);
        solo.accepted
    });
    assert!(accepted[0] >= 10, "{accepted:?}");
    assert!(
        accepted.iter().all(|n| n.abs_diff(accepted[0]) <= 2),
        "{accepted:?}"
    );
}

// What was sent counted as use: the rate doubled through an outage, up to the fastest there is.
#[test]
fn an_outage_does_not_make_an_adaptive_rate_grow() {
    let mut solo = Solo::new(Adaptive::new().seed(1));
    solo.run(5, |_| Outcome::Succeeded);
    let before = solo.rate();
    solo.run(60, |_| Outcome::Failed);
    assert!(solo.rate() <= before, "{before} before, {}", solo.rate());
}

#[test]
fn a_rate_does_not_jump_when_an_outage_is_over() {
    let mut solo = Solo::new(Adaptive::new().seed(1));
    solo.run(5, |_| Outcome::Succeeded);
    solo.run(600, |_| Outcome::Failed);
    let during = solo.rate();
    solo.run(5, |_| Outcome::Succeeded);
    assert!(
        solo.rate() <= 6.0 * during,
        "{during} during, {}",
        solo.rate()
    );
}

// Answers that came after two windows were too late for each cut: 429s outnumbered what was accepted.
#[test]
fn answers_that_take_two_windows_do_not_make_a_flood() {
    let mut solo = Solo::new(Adaptive::new().seed(1));
    solo.latency = 20 * SECOND;
    solo.run(1100, fixed(100, 10.0));
    let (accepted, refused) = (solo.accepted, solo.refused);
    solo.run(300, fixed(100, 10.0));
    let (accepted, refused) = (solo.accepted - accepted, solo.refused - refused);
    assert!(refused < accepted, "{refused} refused, {accepted} accepted");
}

// One request in ten windows of ten seconds was more than the server lets in.
#[test]
fn a_small_max_rate_with_the_default_window_still_adapts() {
    let mut solo = Solo::new(Adaptive::new().max_rate(Rate::per_hour(30)).seed(1));
    solo.run(24 * 3600, fixed(3, 3600.0));
    let (accepted, refused) = (solo.accepted, solo.refused);
    assert!(
        refused <= accepted,
        "{refused} refused, {accepted} accepted"
    );
}

/// What a refusal and then an answer of this kind make of a law.
fn causes(mut law: impl Law, outcomes: &[Outcome]) -> Vec<Option<Cause>> {
    let start = now();
    law.begin(start);
    let mut at = start;
    let cause = |outcome: &Outcome| {
        at += SECOND;
        let sent = Sent { at, tokens: 1 };
        law.sent(sent);
        law.ended(Ended {
            sent,
            now: at,
            outcome: *outcome,
            retry_after: None,
        });
        law.change().map(|change| change.cause)
    };
    outcomes.iter().map(cause).collect()
}

// A client that got nothing but 404s never left an epoch: each refusal made it slower, for good. And
// the classic law called each cut the first, and the end of none.
#[test]
fn an_answer_of_404_shows_that_requests_are_let_in_again() {
    let outcomes = [
        Outcome::Throttled,
        Outcome::Throttled,
        Outcome::Failed,
        Outcome::Ignored,
        Outcome::Ignored,
    ];
    let expected = [
        Some(Cause::Throttled),
        Some(Cause::ThrottledAgain),
        None,
        Some(Cause::Accepted),
        None,
    ];
    let classic = Aimd::balanced(Rate::per_second(10)).seed(1);
    assert_eq!(causes(Adaptive::new().seed(1), &outcomes), expected);
    assert_eq!(causes(classic, &outcomes), expected);
}

// Requests that were given back counted as use of the rate.
#[test]
fn requests_that_were_never_sent_do_not_make_a_classic_rate_grow() {
    let mut at = now() + SECOND;
    let mut paced = Paced::new(Aimd::balanced(Rate::per_second(10)).seed(1), at);
    let permit = paced.take(1, at);
    paced.complete(permit, Some(word(Outcome::Throttled)), at);
    let cut = paced.rate(at);
    for _ in 0..20 {
        at += SECOND / 10;
        let (one, other) = (paced.take(1, at), paced.take(1, at));
        paced.cancel(one, at);
        paced.cancel(other, at);
    }
    at += 10 * SECOND;
    let permit = paced.take(1, at);
    paced.complete(permit, Some(word(Outcome::Succeeded)), at);
    assert_eq!(paced.rate(at).to_bits(), cut.to_bits());
}
