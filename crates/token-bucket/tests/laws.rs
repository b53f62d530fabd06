//! What holds whatever happens, in whatever order.
//!
//! Times and amounts are small on purpose, so that roundings and coincidences are frequent.

use std::time::{Duration, Instant};

use proptest::{collection::vec, prelude::*};
use tower_throttle_core::{Limiter, Pace, Wait};
use tower_throttle_token_bucket::{OverBurst, Rate, SlidingWindow, TokenBucket};

/// Something that happens to a limiter.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// Time passes; it goes back if negative.
    Pass(i64),
    /// A request passes if it may. It is then sent, unless it is cancelled later.
    Ask(u32),
    /// The n-th of the permits that are left goes back.
    Cancel(usize),
    /// The last permit goes back, if it was taken at this instant.
    CancelAtOnce,
    SetRate(Rate),
    SetBurst(u32),
}

/// A request that was let through.
#[derive(Debug, Clone, Copy)]
struct Admitted {
    /// By a clock that stands still while the real one is behind what the limiter was told.
    at: Instant,
    /// What had flowed into a bucket by then, were it bottomless, in 1/[`PARTS`] of a token.
    inflow: u128,
    cost: u32,
}

/// A multiple of the nanoseconds in any of the [`rates`].
const PARTS: u128 = 32 * 27 * 25 * 7 * 11 * 13 * 17 * 19 * 23 * 29 * 31;

/// A limiter, its clock, and what it let through.
struct Run<L: Limiter> {
    limiter: L,
    start: Instant,
    now: Instant,
    /// The latest instant at which something was taken or changed.
    latest: Instant,
    rate: Rate,
    inflow: u128,
    admitted: Vec<(Admitted, L::Permit)>,
    /// What was taken, and what came back, in this order.
    moves: Vec<Move>,
}

/// Tokens that were taken, or came back if there are fewer than none.
#[derive(Debug, Clone, Copy)]
struct Move {
    inflow: u128,
    tokens: i128,
}

fn nanos(n: u64) -> Duration {
    Duration::from_nanos(n)
}

/// An instant from which one can go back.
fn origin() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "some instant is needed to begin with"
    )]
    let now = Instant::now();
    now + Duration::from_secs(3600)
}

impl<L: Limiter<Cost = u32>> Run<L> {
    fn new(limiter: L, rate: Rate, start: Instant) -> Self {
        Self {
            rate,
            inflow: 0,
            limiter,
            start,
            now: start,
            latest: start,
            admitted: Vec::new(),
            moves: Vec::new(),
        }
    }

    fn pass(&mut self, by: i64) {
        let step = nanos(by.unsigned_abs());
        let back = self
            .now
            .checked_sub(step)
            .map_or(self.start, |t| t.max(self.start));
        self.now = if by < 0 { back } else { self.now + step };
    }

    fn tell(&mut self) -> Instant {
        let latest = self.latest.max(self.now);
        let events = (latest - self.latest).as_nanos() * u128::from(self.rate.events());
        self.inflow += events * PARTS / self.rate.period().as_nanos();
        self.latest = latest;
        latest
    }

    fn ask(&mut self, cost: u32) {
        if self.limiter.check(&cost, self.now) == Wait::Now {
            let permit = self.limiter.take(cost, self.now);
            let at = self.tell();
            let inflow = self.inflow;
            self.admitted.push((Admitted { at, inflow, cost }, permit));
            self.count(cost.into());
        }
    }

    fn cancel(&mut self, n: usize) {
        if !self.admitted.is_empty() {
            let (admitted, permit) = self.admitted.remove(n % self.admitted.len());
            self.limiter.cancel(permit, self.now);
            self.count(-i128::from(admitted.cost));
        }
    }

    fn cancel_at_once(&mut self) {
        let last = self.admitted.last();
        if last.is_some_and(|(admitted, _)| admitted.at >= self.now) {
            self.cancel(self.admitted.len() - 1);
        }
    }

    fn count(&mut self, tokens: i128) {
        let inflow = self.inflow;
        self.moves.push(Move { inflow, tokens });
    }

    /// All that was let through and not cancelled, in order of time.
    fn sent(&self) -> Vec<Admitted> {
        self.admitted
            .iter()
            .map(|(admitted, _)| *admitted)
            .collect()
    }
}

/// Whether more was taken in any time than a burst and what flowed in.
fn is_too_much(moves: &[Move], burst: u32) -> bool {
    (0..moves.len()).any(|from| {
        let mut sum = 0;
        moves[from..].iter().any(|last| {
            sum += last.tokens;
            let inflow = last.inflow - moves[from].inflow;
            sum * PARTS as i128 > i128::from(burst) * PARTS as i128 + inflow as i128
        })
    })
}

fn moves_of(sent: &[Admitted]) -> Vec<Move> {
    let to_move = |sent: &Admitted| Move {
        inflow: sent.inflow,
        tokens: sent.cost.into(),
    };
    sent.iter().map(to_move).collect()
}

/// When each of them is served, first come, first served.
fn serve<L: Limiter<Cost = u32>>(mut limiter: L, queue: &[u32], now: Instant) -> Vec<Instant> {
    let mut now = now;
    let mut serve = |cost| {
        if let Wait::Until(at) = limiter.check(cost, now) {
            now = at;
        }
        assert_eq!(limiter.check(cost, now), Wait::Now);
        limiter.take(*cost, now);
        now
    };
    queue.iter().map(&mut serve).collect()
}

fn instant(wait: Wait, now: Instant) -> Instant {
    match wait {
        Wait::Now => now,
        Wait::Until(at) => at,
        other => panic!("{other:?}"),
    }
}

fn rates() -> impl Strategy<Value = Rate> {
    (1..8_u32, 1..37_u64).prop_map(|(events, period)| Rate::per(events, nanos(period)))
}

/// At most a token per nanosecond.
fn slow_rates() -> impl Strategy<Value = Rate> {
    (1..8_u32, 8..37_u64).prop_map(|(events, period)| Rate::per(events, nanos(period)))
}

fn any_rate() -> impl Strategy<Value = Rate> {
    let period = prop_oneof![1..1000_u64, any::<u64>().prop_map(|n| n.max(1))];
    let rate = (1..=u32::MAX, period.prop_map(nanos));
    rate.prop_map(|(events, period)| Rate::per(events, period))
}

fn any_time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        any::<u64>().prop_map(nanos),
        any::<u64>().prop_map(Duration::from_secs),
    ]
}

fn bursts() -> impl Strategy<Value = u32> {
    1..6_u32
}

fn modes() -> impl Strategy<Value = OverBurst> {
    prop_oneof![Just(OverBurst::Refuse), Just(OverBurst::Borrow)]
}

fn passing() -> impl Strategy<Value = Event> {
    prop_oneof![8 => 0..30_i64, 1 => -50..0_i64, 1 => 0..1000_i64].prop_map(Event::Pass)
}

fn asking_and_cancelling_at_once() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => passing(),
        3 => (0..6_u32).prop_map(Event::Ask),
        1 => Just(Event::CancelAtOnce),
    ]
}

fn asking_and_cancelling() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => passing(),
        6 => (0..6_u32).prop_map(Event::Ask),
        2 => any::<usize>().prop_map(Event::Cancel),
    ]
}

fn all_that_happens() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => asking_and_cancelling(),
        1 => rates().prop_map(Event::SetRate),
        1 => bursts().prop_map(Event::SetBurst),
    ]
}

impl Run<TokenBucket> {
    fn happen(&mut self, event: Event) {
        if matches!(event, Event::SetRate(_) | Event::SetBurst(_)) {
            self.tell();
        }
        match event {
            Event::Pass(by) => self.pass(by),
            Event::Ask(cost) => self.ask(cost),
            Event::Cancel(n) => self.cancel(n),
            Event::CancelAtOnce => self.cancel_at_once(),
            Event::SetRate(rate) => {
                self.limiter.set_rate(rate, self.now);
                self.rate = rate;
            }
            Event::SetBurst(burst) => self.limiter.set_burst(burst, self.now).unwrap(),
        }
    }
}

impl Run<SlidingWindow> {
    fn happen(&mut self, event: Event) {
        if let Event::SetRate(_) = event {
            self.tell();
        }
        match event {
            Event::Pass(by) => self.pass(by),
            Event::Ask(cost) => self.ask(cost),
            Event::Cancel(n) => self.cancel(n),
            Event::CancelAtOnce => self.cancel_at_once(),
            Event::SetRate(rate) => self.limiter.set_rate(rate, self.now),
            Event::SetBurst(_) => {}
        }
    }
}

fn bucket_after(
    start: Instant,
    (rate, burst, mode): (Rate, u32, OverBurst),
    events: &[Event],
) -> Run<TokenBucket> {
    let bucket = TokenBucket::new(rate, start).burst(burst).over_burst(mode);
    let mut run = Run::new(bucket, rate, start);
    events.iter().for_each(|event| run.happen(*event));
    run
}

fn window_after(start: Instant, rate: Rate, events: &[Event]) -> Run<SlidingWindow> {
    let mut run = Run::new(SlidingWindow::new(rate), rate, start);
    events.iter().for_each(|event| run.happen(*event));
    run
}

/// What two buckets answer from `now` on is the same.
fn assert_alike(a: &TokenBucket, b: &TokenBucket, now: Instant) {
    for later in (0..200).map(|n| now + nanos(n)) {
        assert_eq!(a.level(later), b.level(later));
        for cost in 0..8 {
            assert_eq!(a.check(&cost, later), b.check(&cost, later));
        }
    }
}

proptest! {
    #[test]
    fn in_any_time_a_bucket_gives_at_most_the_burst_and_what_flows_in(
        (rate, burst) in (rates(), bursts()),
        events in vec(asking_and_cancelling(), 0..80),
    ) {
        let run = bucket_after(origin(), (rate, burst, OverBurst::Refuse), &events);

        prop_assert!(!is_too_much(&run.moves, burst));
    }

    #[test]
    fn what_is_cancelled_at_once_counts_for_nothing(
        (rate, burst) in (rates(), bursts()),
        events in vec(asking_and_cancelling_at_once(), 0..80),
    ) {
        let run = bucket_after(origin(), (rate, burst, OverBurst::Refuse), &events);

        prop_assert!(!is_too_much(&moves_of(&run.sent()), burst));
    }

    #[test]
    fn in_any_time_a_borrowing_bucket_gives_at_most_one_debt_more(
        (rate, burst) in (rates(), bursts()),
        events in vec(asking_and_cancelling(), 0..80),
    ) {
        let run = bucket_after(origin(), (rate, burst, OverBurst::Borrow), &events);

        let dearest = run.moves.iter().map(|moved| moved.tokens).max();
        let dearest = u32::try_from(dearest.unwrap_or(0)).unwrap_or(0);
        prop_assert!(!is_too_much(&run.moves, burst.max(dearest)));
    }

    /// Guards against the trap of GCRA, whose state is an instant: halving the rate of an empty
    /// bucket fills half of it. And of ratelimit 2.0: the new rate counts for time that has passed.
    #[test]
    fn changing_the_settings_credits_nothing(
        (rate, burst) in (rates(), bursts()),
        events in vec(all_that_happens(), 0..80),
    ) {
        let mut run = bucket_after(origin(), (rate, burst, OverBurst::Refuse), &[]);
        let mut largest = burst;
        for event in events {
            run.happen(event);
            largest = largest.max(run.limiter.burst_size());
        }

        prop_assert!(!is_too_much(&run.moves, largest));
    }

    #[test]
    fn changing_the_rate_keeps_the_level(
        settings in (rates(), bursts(), modes()),
        events in vec(all_that_happens(), 0..40),
        new in any_rate(),
    ) {
        let mut run = bucket_after(origin(), settings, &events);
        let now = run.latest;
        let before = run.limiter.level(now);

        run.limiter.set_rate(new, now);

        prop_assert_eq!(run.limiter.level(now), before);
    }

    #[test]
    fn changing_the_burst_keeps_the_level_but_for_what_no_longer_fits(
        settings in (rates(), bursts(), modes()),
        events in vec(all_that_happens(), 0..40),
        new in bursts(),
    ) {
        let mut run = bucket_after(origin(), settings, &events);
        let before = run.limiter.level(run.latest);

        run.limiter.set_burst(new, run.latest).unwrap();

        prop_assert_eq!(run.limiter.level(run.latest), before.min(i64::from(new)));
    }

    #[test]
    fn idle_time_never_credits_more_than_the_burst(
        settings in (any_rate(), 1..=u32::MAX, modes()),
        idle in any::<u64>(),
    ) {
        let mut run = bucket_after(origin(), settings, &[]);
        run.limiter.take(u32::MAX, run.now);

        let level = run.limiter.level(run.now + nanos(idle));

        prop_assert!(level <= i64::from(settings.1));
    }

    #[test]
    fn a_bucket_admits_exactly_when_it_said_it_would(
        settings in (rates(), bursts(), modes()),
        events in vec(all_that_happens(), 0..40),
        debt in 0..20_u32,
        cost in 0..8_u32,
    ) {
        let mut run = bucket_after(origin(), settings, &events);
        run.limiter.take(debt, run.now);

        if let Wait::Until(at) = run.limiter.check(&cost, run.now) {
            prop_assert!(at > run.now);
            prop_assert_eq!(run.limiter.check(&cost, at), Wait::Now);
            prop_assert_eq!(run.limiter.check(&cost, at - nanos(1)), Wait::Until(at));
        }
    }

    #[test]
    fn what_a_bucket_admits_now_it_admits_later(
        settings in (rates(), bursts(), modes()),
        events in vec(all_that_happens(), 0..40),
        cost in 0..8_u32,
        later in 0..300_u64,
    ) {
        let run = bucket_after(origin(), settings, &events);

        if run.limiter.check(&cost, run.now) == Wait::Now {
            prop_assert_eq!(run.limiter.check(&cost, run.now + nanos(later)), Wait::Now);
        }
    }

    #[test]
    fn a_take_that_is_cancelled_leaves_no_trace(
        settings in (rates(), bursts(), modes()),
        events in vec(all_that_happens(), 0..40),
        cost in 0..8_u32,
        held in 0..100_u64,
    ) {
        let mut run = bucket_after(origin(), settings, &events);
        let untouched = run.limiter.clone();

        let permit = run.limiter.take(cost, run.latest);
        let now = run.latest + nanos(held);
        run.limiter.cancel(permit, now);

        assert_alike(&run.limiter, &untouched, now);
    }

    #[test]
    fn takes_can_be_cancelled_in_any_order(
        settings in (rates(), bursts(), modes()),
        events in vec(all_that_happens(), 0..40),
        takes in vec((0..4_u32, any::<usize>()), 0..8),
    ) {
        let mut run = bucket_after(origin(), settings, &events);
        let untouched = run.limiter.clone();
        let now = run.latest;

        let take = |(cost, _): &(u32, _)| run.limiter.take(*cost, now);
        let mut permits: Vec<_> = takes.iter().map(take).collect();
        for (_, n) in takes {
            let permit = permits.swap_remove(n % permits.len());
            run.limiter.cancel(permit, now);
        }

        assert_alike(&run.limiter, &untouched, now);
    }

    #[test]
    fn the_rate_may_change_between_a_take_and_its_cancel(
        settings in (rates(), bursts(), modes()),
        costs in vec(1..4_u32, 0..4),
        new in rates(),
    ) {
        let mut run = bucket_after(origin(), settings, &[]);
        let before = run.limiter.level(run.now);

        let permits: Vec<_> = costs.iter().map(|cost| run.limiter.take(*cost, run.now)).collect();
        run.limiter.set_rate(new, run.now);
        permits.into_iter().for_each(|permit| run.limiter.cancel(permit, run.now));

        prop_assert_eq!(run.limiter.level(run.now), before);
    }

    /// A grant is dated when it was due, which may be before an instant that the bucket was told.
    #[test]
    fn grants_may_be_dated_back(
        settings in (rates(), bursts(), modes()),
        queue in vec(1..6_u32, 1..10),
        late in 0..20_u64,
    ) {
        let run = bucket_after(origin(), settings, &[]);
        let queue: Vec<_> = queue.into_iter().filter(|cost| run.limiter.check(cost, run.now) != Wait::Never).collect();
        let punctual = serve(run.limiter.clone(), &queue, run.now);

        let mut bucket = run.limiter;
        for (cost, due) in queue.iter().zip(punctual) {
            let _ = bucket.check(cost, due + nanos(late));
            prop_assert_eq!(bucket.check(cost, due), Wait::Now);
            bucket.take(*cost, due);
        }
    }

    #[test]
    fn a_prediction_for_a_burst_of_one_is_when_the_line_is_served(
        rate in rates(),
        debt in 0..10_u32,
        queue in vec(0..=1_u32, 1..12),
        events in vec(asking_and_cancelling(), 0..40),
    ) {
        let mut run = bucket_after(origin(), (rate, 1, OverBurst::Refuse), &events);
        run.limiter.take(debt, run.now);
        let mut ahead = 0;
        for (cost, served) in queue.iter().zip(serve(run.limiter.clone(), &queue, run.now)) {
            let predicted = instant(run.limiter.predict(ahead, cost, run.now), run.now);
            prop_assert_eq!(predicted, served);
            ahead += u64::from(*cost);
        }
    }

    #[test]
    fn a_prediction_is_when_the_line_is_served_if_nobody_needs_a_full_bucket(
        (rate, burst) in (slow_rates(), 2..6_u32),
        debt in 0..10_u32,
        queue in vec(0..5_u32, 1..12),
    ) {
        let mut run = bucket_after(origin(), (rate, burst, OverBurst::Refuse), &[]);
        run.limiter.take(debt, run.now);
        let queue: Vec<_> = queue.into_iter().filter(|cost| *cost < burst).collect();
        let mut ahead = 0;
        for (cost, served) in queue.iter().zip(serve(run.limiter.clone(), &queue, run.now)) {
            let predicted = instant(run.limiter.predict(ahead, cost, run.now), run.now);
            prop_assert_eq!(predicted, served);
            ahead += u64::from(*cost);
        }
    }

    #[test]
    fn a_prediction_is_a_nanosecond_early_at_most_for_each_that_needs_a_full_bucket(
        settings in (slow_rates(), bursts(), modes()),
        debt in 0..10_u32,
        queue in vec(1..8_u32, 1..12),
    ) {
        let mut run = bucket_after(origin(), settings, &[]);
        run.limiter.take(debt, run.now);
        let queue: Vec<_> = queue.into_iter().filter(|cost| run.limiter.check(cost, run.now) != Wait::Never).collect();
        let (mut ahead, mut full) = (0, 0);
        for (cost, served) in queue.iter().zip(serve(run.limiter.clone(), &queue, run.now)) {
            let predicted = instant(run.limiter.predict(ahead, cost, run.now), run.now);
            prop_assert!(predicted <= served && served <= predicted + nanos(full));
            ahead += u64::from(*cost);
            full += u64::from(*cost >= settings.1);
        }
    }

    #[test]
    fn a_prediction_is_never_late(
        settings in (rates(), bursts(), modes()),
        events in vec(all_that_happens(), 0..40),
        queue in vec(0..8_u32, 1..12),
    ) {
        let run = bucket_after(origin(), settings, &events);
        let queue: Vec<_> = queue.into_iter().filter(|cost| run.limiter.check(cost, run.now) != Wait::Never).collect();
        let mut ahead = 0;
        for (cost, served) in queue.iter().zip(serve(run.limiter.clone(), &queue, run.now)) {
            let predicted = instant(run.limiter.predict(ahead, cost, run.now), run.now);
            prop_assert!(predicted <= served);
            ahead += u64::from(*cost);
        }
    }

    /// The lane past the lock rounds each interval up, and never lets more through.
    #[test]
    fn what_passes_by_the_pace_would_have_passed_the_bucket(
        settings in (rates(), bursts(), modes()),
        debt in 0..10_u32,
        offered in vec((0..30_u64, 0..6_u32), 0..60),
    ) {
        let mut run = bucket_after(origin(), settings, &[]);
        run.limiter.take(debt, run.now);
        let mut passed = run.limiter.clone();
        if let Some(Pace { mut full_at, interval, burst }) = passed.pace() {
            for (wait, cost) in offered {
                run.now += nanos(wait);
                let then = full_at.max(run.now) + cost * interval;
                if then <= run.now + burst * interval {
                    prop_assert_eq!(run.limiter.check(&cost, run.now), Wait::Now);
                    run.limiter.take(cost, run.now);
                    full_at = then;
                }
            }
            passed.passed(full_at);
            prop_assert!(passed.level(run.now) <= run.limiter.level(run.now));
        }
    }

    #[test]
    fn nothing_overflows(
        settings in (any_rate(), 1..=u32::MAX, modes()),
        jumps in vec((any_time(), any::<u32>(), any::<u64>(), any_rate()), 1..8),
    ) {
        let mut run = bucket_after(origin(), settings, &[]);
        let mut window = SlidingWindow::new(settings.0);
        for (jump, cost, ahead, rate) in jumps {
            let now = run.start.checked_add(jump).unwrap_or(run.start);
            let _ = run.limiter.check(&cost, now);
            let _ = run.limiter.predict(ahead, &cost, now);
            let _ = window.check(&cost, now);
            let _ = window.predict(ahead, &cost, now);
            let (taken, stamped) = (run.limiter.take(cost, now), window.take(cost, now));
            run.limiter.set_rate(rate, now);
            window.set_rate(rate, now);
            run.limiter.cancel(taken, now);
            window.cancel(stamped, now);
            run.limiter.take(u32::MAX, now);
            window.take(u32::MAX, now);
            let _ = (run.limiter.level(now), window.level(now));
        }
    }

    #[test]
    fn every_half_open_window_holds_at_most_the_limit(
        rate in rates(),
        events in vec(asking_and_cancelling(), 0..120),
    ) {
        let run = window_after(origin(), rate, &events);

        let sent = run.sent();
        for (from, first) in sent.iter().enumerate() {
            let inside = |last: &&Admitted| last.at - first.at < rate.period();
            let sum: u32 = sent[from..].iter().filter(inside).map(|sent| sent.cost).sum();
            prop_assert!(sum <= rate.events());
        }
    }

    #[test]
    fn a_window_admits_whatever_fits(
        rate in rates(),
        events in vec(asking_and_cancelling(), 0..120),
        cost in 1..8_u32,
    ) {
        let mut run = window_after(origin(), rate, &events);
        run.now = run.now.max(run.latest);
        let (level, asked) = (run.limiter.level(run.now), run.limiter.check(&cost, run.now));

        let (now, limit) = (run.now, rate.events());
        let inside: u32 = run.sent().iter().filter(|sent| now - sent.at < rate.period()).map(|sent| sent.cost).sum();
        prop_assert_eq!(level, i64::from(limit) - i64::from(inside));
        prop_assert_eq!(asked == Wait::Never, cost > limit);
        prop_assert_eq!(asked == Wait::Now, inside + cost <= limit);
    }

    #[test]
    fn a_window_admits_exactly_when_it_said_it_would(
        rate in rates(),
        events in vec(all_that_happens(), 0..80),
        cost in 0..8_u32,
    ) {
        let run = window_after(origin(), rate, &events);

        if let Wait::Until(at) = run.limiter.check(&cost, run.now) {
            prop_assert!(at > run.now);
            prop_assert_eq!(run.limiter.check(&cost, at), Wait::Now);
            prop_assert_eq!(run.limiter.check(&cost, at - nanos(1)), Wait::Until(at));
        }
    }

    #[test]
    fn a_cancelled_request_leaves_the_window_as_if_it_had_never_passed(
        rate in rates(),
        events in vec(asking_and_cancelling(), 0..60),
        cost in 0..8_u32,
        others in vec(passing(), 0..10),
    ) {
        let mut run = window_after(origin(), rate, &events);
        let mut untouched = window_after(origin(), rate, &[]);
        untouched.limiter = run.limiter.clone();
        (untouched.now, untouched.latest, untouched.start) = (run.now, run.latest, run.start);

        let taken = run.now.max(run.latest);
        let permit = run.limiter.take(cost, run.now);
        for event in others {
            run.happen(event);
            untouched.happen(event);
        }
        run.limiter.cancel(permit, run.now);

        for later in (0..100).map(|n| run.now.max(taken) + nanos(n)) {
            prop_assert_eq!(run.limiter.level(later), untouched.limiter.level(later));
        }
    }

    #[test]
    fn a_prediction_of_a_window_is_when_the_line_is_served_if_equal_costs_fill_it(
        (cost, count, period) in (1..4_u32, 1..4_u32, 1..40_u64),
        events in vec(asking_and_cancelling(), 0..60),
        line in 1..12_usize,
    ) {
        let rate = Rate::per(cost * count, nanos(period));
        let mut run = window_after(origin(), rate, &events);
        run.now = run.now.max(run.latest);
        let mut ahead = 0;
        for served in serve(run.limiter.clone(), &vec![cost; line], run.now) {
            let predicted = instant(run.limiter.predict(ahead, &cost, run.now), run.now);
            prop_assert_eq!(predicted, served);
            ahead += u64::from(cost);
        }
    }

    #[test]
    fn a_prediction_of_a_window_is_never_late(
        rate in rates(),
        events in vec(asking_and_cancelling(), 0..60),
        queue in vec(0..8_u32, 1..12),
    ) {
        let run = window_after(origin(), rate, &events);
        let queue: Vec<_> = queue.into_iter().filter(|cost| *cost <= rate.events()).collect();
        let mut ahead = 0;
        for (cost, served) in queue.iter().zip(serve(run.limiter.clone(), &queue, run.now)) {
            let predicted = instant(run.limiter.predict(ahead, cost, run.now), run.now);
            prop_assert!(predicted <= served);
            ahead += u64::from(*cost);
        }
    }
}
