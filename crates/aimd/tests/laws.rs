//! What holds for the laws whatever happens to them.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tower_throttle_aimd::{Adaptive, Aimd, Cause, Ended, Law, Paced, PacedPermit, Sent};
use tower_throttle_core::{Limiter, Outcome, Wait, now};
use tower_throttle_retry_after::Word;
use tower_throttle_token_bucket::Rate;

const MINUTE: Duration = Duration::from_secs(60);

/// One thing that happens to a limiter.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes, or goes back.
    Forward(Duration),
    Back(Duration),
    /// A request leaves, due or not.
    Send(u32),
    /// The call of this number ends, if there are so many.
    End(usize, Option<Word>),
    Cancel(usize),
    Resume,
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0..120_000_u64).prop_map(Duration::from_millis),
        1 => any::<u64>().prop_map(Duration::from_nanos),
        1 => Just(Duration::MAX),
    ]
}

fn words() -> impl Strategy<Value = Word> {
    let outcomes = prop_oneof![
        4 => Just(Outcome::Throttled),
        4 => Just(Outcome::Succeeded),
        1 => Just(Outcome::Failed),
        1 => Just(Outcome::Ignored),
    ];
    let pauses = prop_oneof![3 => Just(None), 1 => durations().prop_map(Some)];
    (outcomes, pauses).prop_map(|(outcome, pause)| Word::new(outcome, pause))
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => durations().prop_map(Event::Forward),
        1 => durations().prop_map(Event::Back),
        6 => prop_oneof![9 => Just(1), 1 => 0..1000_u32].prop_map(Event::Send),
        6 => (0..8_usize, proptest::option::weighted(0.9, words()))
            .prop_map(|(call, word)| Event::End(call, word)),
        1 => (0..8_usize).prop_map(Event::Cancel),
        1 => Just(Event::Resume),
    ];
    prop::collection::vec(event, 0..60)
}

/// A limiter to which anything may happen.
#[derive(Debug)]
struct Victim<L> {
    paced: Paced<L>,
    now: Instant,
    calls: Vec<PacedPermit>,
}

impl<L: Law> Victim<L> {
    fn new(law: L) -> Self {
        let now = now() + MINUTE;
        Self {
            paced: Paced::new(law, now),
            now,
            calls: Vec::new(),
        }
    }

    fn suffer(&mut self, event: &Event) {
        match event {
            Event::Forward(time) => self.now = self.now.checked_add(*time).unwrap_or(self.now),
            Event::Back(time) => self.now = self.now.checked_sub(*time).unwrap_or(self.now),
            Event::Send(cost) => self.calls.push(self.paced.take(*cost, self.now)),
            Event::End(call, word) => {
                if let Some(permit) = self.remove(*call) {
                    self.paced.complete(permit, *word, self.now);
                }
            }
            Event::Cancel(call) => {
                if let Some(permit) = self.remove(*call) {
                    self.paced.cancel(permit, self.now);
                }
            }
            Event::Resume => self.paced.resume(),
        }
    }

    fn remove(&mut self, call: usize) -> Option<PacedPermit> {
        (call < self.calls.len()).then(|| self.calls.remove(call))
    }

    fn rate(&self) -> f64 {
        self.paced.rate(self.now)
    }
}

fn bounded() -> Adaptive {
    Adaptive::new()
        .window(MINUTE)
        .max_rate(Rate::per_minute(100))
        .min_rate(Rate::per_minute(2))
        .seed(1)
}

/// A classic law, and between what its rate must stay.
#[derive(Debug, Clone)]
struct Classic {
    law: Aimd,
    least: f64,
    most: f64,
}

fn classics() -> impl Strategy<Value = Classic> {
    let events = prop_oneof![1..5_u32, any::<u32>().prop_map(|events| events.max(1))];
    let laws = prop_oneof![
        Just((Aimd::conservative as fn(Rate) -> Aimd, 0.05)),
        Just((Aimd::balanced as fn(Rate) -> Aimd, 0.1)),
        Just((Aimd::optimistic as fn(Rate) -> Aimd, 0.3)),
    ];
    let windows = prop_oneof![
        2 => Just(None),
        2 => (1..100_000_u64).prop_map(|ms| Some(Duration::from_millis(ms))),
        1 => (1..=u64::MAX).prop_map(|ns| Some(Duration::from_nanos(ns))),
    ];
    let least = proptest::option::of(1..=4_u32);
    (events, laws, windows, least, any::<bool>()).prop_map(
        |(events, (law, floor), window, least, per_response)| {
            let max = Rate::per_minute(events);
            let mut law = law(max).seed(1);
            let (mut least_rate, most) = (floor * max.as_per_second_f64(), max.as_per_second_f64());
            if let Some(window) = window {
                law = law.window(window);
            }
            if let Some(part) = least {
                // A whole of `max_rate` too: then the rate doesn't move.
                let min = Rate::per(events, MINUTE * part);
                law = law.min_rate(min);
                least_rate = least_rate.max(min.as_per_second_f64());
            }
            if per_response {
                law = law.per_response();
            }
            Classic {
                law,
                least: least_rate,
                most,
            }
        },
    )
}

/// When the next request passes if nothing else happens.
fn next<L: Law>(victim: &Victim<L>) -> Option<Instant> {
    match victim.paced.check(&1, victim.now) {
        Wait::Now => Some(victim.now),
        Wait::Until(at) => (victim.paced.check(&1, at) == Wait::Now).then_some(at),
        _ => None,
    }
}

#[test]
fn what_is_reported_are_cuts_and_their_end_but_not_growth() {
    let mut victim = Victim::new(bounded());
    let word = |outcome| Some(Word::new(outcome, None));
    let outcomes = [
        (Outcome::Succeeded, false),
        (Outcome::Failed, false),
        (Outcome::Throttled, true),
        (Outcome::Failed, false),
        (Outcome::Throttled, true),
        (Outcome::Succeeded, true),
        (Outcome::Succeeded, false),
    ];
    for (outcome, is_reported) in outcomes {
        victim.suffer(&Event::Forward(MINUTE / 60));
        victim.suffer(&Event::Send(1));
        victim.suffer(&Event::End(0, word(outcome)));
        assert_eq!(victim.paced.report().is_some(), is_reported, "{outcome:?}");
    }
}

#[test]
fn the_rate_comes_back_along_a_cubic_to_what_was_delivered_and_beyond() {
    let mut now = now();
    let mut law = Adaptive::new().window(MINUTE).seed(1);
    law.begin(now);
    let step = |law: &mut Adaptive, now: &mut Instant, outcome| {
        *now += MINUTE / 120;
        let sent = Sent {
            at: *now,
            tokens: 1,
        };
        law.sent(sent);
        *now += MINUTE / 120;
        law.ended(Ended {
            sent,
            now: *now,
            outcome,
            retry_after: None,
        });
    };
    // One per second for two windows, whatever the rate is.
    for _ in 0..120 {
        step(&mut law, &mut now, Outcome::Succeeded);
    }
    step(&mut law, &mut now, Outcome::Throttled);
    step(&mut law, &mut now, Outcome::Succeeded);

    // 59 of 60 in the last window came through: β is 0.041, and K six windows, more or less.
    let plateau = 59.0 / 60.0;
    let at = |windows: u32| law.rate(now + MINUTE * windows) / plateau;
    assert!((0.955..0.965).contains(&at(0)), "{}", at(0));
    assert!((0.998..=1.0).contains(&at(5)), "{}", at(5));
    // Nothing is sent meanwhile: it goes no further than that.
    assert!((at(60) - 1.0).abs() < 1e-9, "{}", at(60));
}

// Ten clients that had used up a window in a third of it began the next at three times the rate that
// it bears; on a server that said when the window was over, they were unequal for an hour.
#[test]
fn what_a_rush_gets_out_of_a_window_counts_for_the_whole_window() {
    let start = now();
    let mut law = Adaptive::new().window(MINUTE).seed(1);
    law.begin(start);
    let at = |second: u32| start + MINUTE / 60 * second;
    let mut end = |sent: u32, outcome, retry_after| {
        let (at, now) = (at(sent), at(sent) + MINUTE / 600);
        let sent = Sent { at, tokens: 1 };
        law.sent(sent);
        law.ended(Ended {
            sent,
            now,
            outcome,
            retry_after,
        });
        law.rate(now)
    };
    // One per second, until the window is used up after twenty of them.
    for second in 1..=20 {
        end(second, Outcome::Succeeded, None);
    }
    end(21, Outcome::Throttled, Some(MINUTE * 2 / 3));

    let rate = end(61, Outcome::Succeeded, None);

    let borne = 20.0 / 61.0;
    assert!((0.9 * borne..=borne).contains(&rate), "{rate}");
}

#[test]
fn a_window_of_its_own_is_the_time_in_which_a_classic_limit_recovers() {
    let start = now();
    let recovered = |law: Aimd| {
        let mut victim = Victim::new(law.seed(1));
        victim.now = start + MINUTE;
        let word = |outcome| Some(Word::new(outcome, None));
        victim.suffer(&Event::Send(1));
        victim.suffer(&Event::End(0, word(Outcome::Throttled)));
        let cut = victim.rate();
        for _ in 0..200 {
            victim.suffer(&Event::Forward(MINUTE / 600));
            victim.suffer(&Event::Send(1));
            victim.suffer(&Event::End(0, word(Outcome::Succeeded)));
        }
        (victim.rate() - cut) / 10.0
    };
    let law = || Aimd::balanced(Rate::per_second(10));
    // Twenty seconds: a third of a window of a minute; 5 % per window, spread by ±20 %.
    let minute = recovered(law().window(MINUTE));
    assert!(
        (0.05 / 3.0 * 0.8..0.05 / 3.0 * 1.2).contains(&minute),
        "{minute}"
    );
    assert!(
        recovered(law()) > 0.25,
        "all of it, with a window of a second"
    );
}

#[test]
fn what_a_window_and_a_least_rate_may_be_is_said_when_they_are_not() {
    let rate = Rate::per_minute(100);
    let above = Rate::per_minute(101);
    let errors = [
        Aimd::new(rate).try_window(Duration::ZERO).unwrap_err(),
        Adaptive::new().try_window(Duration::ZERO).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(
            error.to_string(),
            "window is 0ns, but must be longer than zero"
        );
    }
    let errors = [
        Aimd::new(rate).try_min_rate(above).unwrap_err(),
        Adaptive::new()
            .max_rate(rate)
            .try_min_rate(above)
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(
            error.to_string(),
            "min_rate is 101 per 60s, but must be at most max_rate"
        );
    }
}

proptest! {
    #[test]
    fn an_adaptive_rate_stays_within_its_bounds(events in events()) {
        let mut victim = Victim::new(bounded());
        for event in events {
            victim.suffer(&event);
            let rate = victim.rate();
            let most = 1.05 * Rate::per_minute(100).as_per_second_f64();
            prop_assert!((2.0 / 60.0..=most).contains(&rate), "{rate}");
        }
    }

    #[test]
    fn a_rate_without_bounds_is_finite_and_above_zero(
        events in events(), window in 1..=u64::MAX,
    ) {
        let law = Adaptive::new().window(Duration::from_nanos(window)).seed(1);
        let mut victim = Victim::new(law);
        for event in events {
            victim.suffer(&event);
            prop_assert!(victim.rate() > 0.0 && victim.rate().is_finite());
        }
    }

    #[test]
    fn a_classic_rate_stays_between_its_floor_and_its_maximum(
        classic in classics(), events in events(),
    ) {
        let mut victim = Victim::new(classic.law);
        for event in events {
            victim.suffer(&event);
            let rate = victim.paced.law().rate(victim.now);
            // Of a window that is no whole number of periods, the last digits are rounded.
            let range = classic.least * (1.0 - 1e-12)..=classic.most * (1.0 + 1e-12);
            prop_assert!(range.contains(&rate), "{rate} is not in {range:?}");
        }
    }

    // Guards against the deadlock of the stkai SDK: a bucket that is smaller than one token admits
    // nobody, and so never learns that it might grow.
    #[test]
    fn some_request_is_always_admitted_in_the_end(
        classic in classics(), events in events(),
    ) {
        let mut victim = Victim::new(classic.law);
        let mut adaptive = Victim::new(bounded());
        for event in events {
            victim.suffer(&event);
            adaptive.suffer(&event);
            prop_assert!(next(&victim).is_some());
            prop_assert!(next(&adaptive).is_some());
        }
    }

    // Guards against the stkai SDK: eight 429s of one burst made eight cuts.
    #[test]
    fn refusals_of_requests_sent_before_a_cut_never_cut(
        sent in 2..50_usize, gap in 0..10_000_u64, events in 1..1000_u32,
    ) {
        let classic = Aimd::balanced(Rate::per_minute(events)).seed(1);
        prop_assert_eq!(cuts(Victim::new(classic), sent, gap), 1);
        prop_assert_eq!(cuts(Victim::new(bounded()), sent, gap), 1);
    }

    #[test]
    fn an_epoch_begins_once_and_ends_once(
        steps in prop::collection::vec((any::<bool>(), 0..20_u64, 0..20_u64), 1..200),
    ) {
        let mut now = now();
        let mut law = bounded();
        law.begin(now);
        let mut congested = false;
        for (refused, before, after) in steps {
            let sent = Sent { at: now + Duration::from_secs(before), tokens: 1 };
            law.sent(sent);
            now = sent.at + Duration::from_secs(after);
            let outcome = if refused { Outcome::Throttled } else { Outcome::Succeeded };
            law.ended(Ended { sent, now, outcome, retry_after: None });
            let Some(change) = law.change() else { continue };
            prop_assert_eq!(congested, change.cause != Cause::Throttled);
            congested = change.cause != Cause::Accepted;
        }
    }

    #[test]
    fn a_check_never_becomes_later_by_itself(events in events(), steps in 1..20_u32) {
        let mut victim = Victim::new(bounded());
        for event in events {
            victim.suffer(&event);
        }
        let promised = next(&victim).unwrap();
        for step in 0..steps {
            let wait = promised.saturating_duration_since(victim.now);
            let later = victim.now + wait * step / steps;
            let Wait::Until(at) = victim.paced.check(&1, later) else { continue };
            prop_assert!(at <= promised);
        }
    }

    #[test]
    fn a_cancelled_request_leaves_no_trace(gap in 1..100_000_u64, refused in any::<bool>()) {
        let ends = |cancelled: bool| {
            let mut victim = Victim::new(bounded());
            victim.suffer(&Event::Forward(Duration::from_millis(gap)));
            if cancelled {
                victim.suffer(&Event::Send(1));
                victim.suffer(&Event::Cancel(0));
            }
            victim.suffer(&Event::Send(1));
            let outcome = if refused { Outcome::Throttled } else { Outcome::Succeeded };
            victim.suffer(&Event::End(0, Some(Word::new(outcome, None))));
            let wait = next(&victim).map(|at| at - victim.now);
            (victim.rate().to_bits(), wait)
        };
        prop_assert_eq!(ends(true), ends(false));
    }
}

/// How often requests that are sent `gap` milliseconds apart cut, if all are refused after that.
fn cuts<L: Law>(mut victim: Victim<L>, sent: usize, gap: u64) -> usize {
    for _ in 0..sent {
        victim.suffer(&Event::Send(1));
        victim.suffer(&Event::Forward(Duration::from_millis(gap)));
    }
    let word = Word::new(Outcome::Throttled, None);
    let mut cuts = 0;
    for _ in 0..sent {
        let before = victim.rate();
        victim.suffer(&Event::End(0, Some(word)));
        cuts += usize::from(victim.rate() < before);
        victim.suffer(&Event::Forward(Duration::from_millis(gap)));
    }
    cuts
}
