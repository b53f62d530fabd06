//! Two ways that must come to the same: with the lane and without it, looked at and left alone; and
//! what leaves in any time, whatever happens.

mod probe;

use std::{
    pin::Pin,
    task::Poll,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use tokio_test::task::{self, Spawn};
use tower::{Layer, Service, ServiceExt};
use tower_throttle_core::{
    Backpressure, BackpressureLayer, LAG, Limiter, Permit, SHELF_LIFE, Shared,
};

use self::probe::{Gate, Ledger, Probe, Recorded, Tokens, jump, ms, now};

const BURST: u32 = 4;
const EVERY: Duration = ms(20);

#[derive(Debug, Clone)]
enum Event {
    Join(u32),
    /// A service with backpressure joins.
    JoinReady,
    Poll(usize),
    PollAll,
    Leave(usize),
    Return(usize),
    Spend(usize),
    Pass(u64),
    Rate(u64),
    Close(u64),
    Refuse(u64),
}

fn events(change: bool) -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        8 => (0..=BURST + 1).prop_map(Event::Join),
        2 => Just(Event::JoinReady),
        4 => any::<usize>().prop_map(Event::Poll),
        4 => Just(Event::PollAll),
        2 => any::<usize>().prop_map(Event::Leave),
        2 => any::<usize>().prop_map(Event::Return),
        4 => any::<usize>().prop_map(Event::Spend),
        8 => (0_u64..250_000).prop_map(Event::Pass),
        1 => (1_u64..100).prop_map(Event::Rate),
        1 => (0_u64..300).prop_map(Event::Close),
        1 => (0_u64..300).prop_map(Event::Refuse),
    ];
    let event = event.prop_map(move |event| match event {
        Event::Rate(_) | Event::Close(_) | Event::Refuse(_) if !change => Event::PollAll,
        event => event,
    });
    prop::collection::vec(event, 1..100)
}

/// A bucket, with or without a gate, that can be changed.
trait Bucket: Limiter {
    fn cost(tokens: u32) -> Self::Cost;
    fn tokens(&mut self) -> &mut Tokens;
    fn set_gate(&mut self, _gate: Gate) {}
}

impl Bucket for Tokens {
    fn cost(tokens: u32) -> u32 {
        tokens
    }

    fn tokens(&mut self) -> &mut Tokens {
        self
    }
}

impl Bucket for Recorded<Tokens> {
    fn cost(tokens: u32) -> u32 {
        tokens
    }

    fn tokens(&mut self) -> &mut Tokens {
        &mut self.limiter
    }
}

impl Bucket for Recorded<(Gate, Tokens)> {
    fn cost(tokens: u32) -> ((), u32) {
        ((), tokens)
    }

    fn tokens(&mut self) -> &mut Tokens {
        &mut self.limiter.1
    }

    fn set_gate(&mut self, gate: Gate) {
        self.limiter.0 = gate;
    }
}

/// What somebody got who waited.
enum Held<L: Limiter> {
    Permit(Permit<L>, u32),
    Service(Backpressure<Probe, L>),
}

impl<L: Limiter> Held<L> {
    /// Sends, and says what it cost.
    fn send(self) -> u32 {
        match self {
            Self::Permit(permit, cost) => {
                drop(permit.spend());
                cost
            }
            Self::Service(mut service) => {
                drop(service.call(1));
                1
            }
        }
    }
}

type Waits<L> = Spawn<Pin<Box<dyn Future<Output = Option<Held<L>>>>>>;

/// What can be seen after an event: who was served and who refused by now, how many wait and for
/// what, and what is left.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    served: Vec<usize>,
    refused: Vec<usize>,
    waiting: (usize, u64),
    level: Option<i64>,
}

struct Scene<L: Bucket> {
    shared: Shared<L>,
    probe: Probe,
    waiting: Vec<(usize, Waits<L>)>,
    held: Vec<Held<L>>,
    joined: usize,
    served: Vec<usize>,
    refused: Vec<usize>,
}

impl<L: Bucket> Scene<L> {
    fn new(limiter: L) -> Self {
        let (probe, _handle) = Probe::roomy();
        Self {
            shared: Shared::new(limiter),
            probe,
            waiting: Vec::new(),
            held: Vec::new(),
            joined: 0,
            served: Vec::new(),
            refused: Vec::new(),
        }
    }

    async fn happen(&mut self, event: &Event) {
        match *event {
            Event::Join(tokens) => {
                let acquire = self.shared.acquire(L::cost(tokens));
                self.join(async move {
                    let permit = acquire.await.ok()?;
                    Some(Held::Permit(permit, tokens))
                });
            }
            Event::JoinReady => {
                let layer = BackpressureLayer::new(self.shared.clone());
                let mut service = layer.layer(self.probe.clone());
                self.join(async {
                    service.ready().await.ok()?;
                    Some(Held::Service(service))
                });
            }
            Event::Poll(n) if !self.waiting.is_empty() => self.poll(n % self.waiting.len()),
            Event::PollAll => (0..self.waiting.len())
                .rev()
                .for_each(|place| self.poll(place)),
            Event::Leave(n) if !self.waiting.is_empty() => {
                drop(self.waiting.remove(n % self.waiting.len()));
            }
            Event::Return(n) if !self.held.is_empty() => {
                self.held.remove(n % self.held.len());
            }
            Event::Spend(n) if !self.held.is_empty() => {
                self.held.remove(n % self.held.len()).send();
            }
            Event::Pass(micros) => jump(Duration::from_micros(micros)).await,
            Event::Rate(millis) => self
                .shared
                .update(|bucket, now| bucket.tokens().set_every(ms(millis), now)),
            Event::Close(millis) => self.gate(|now| Gate::ClosedUntil(now + ms(millis))),
            Event::Refuse(millis) => self.gate(|now| Gate::Refusing(now + ms(millis))),
            _ => {}
        }
    }

    fn join(&mut self, waits: impl Future<Output = Option<Held<L>>> + 'static) {
        let waits: Pin<Box<dyn Future<Output = Option<Held<L>>>>> = Box::pin(waits);
        self.waiting.push((self.joined, task::spawn(waits)));
        self.joined += 1;
        self.poll(self.waiting.len() - 1);
    }

    fn poll(&mut self, place: usize) {
        let (name, waits) = &mut self.waiting[place];
        match waits.poll() {
            Poll::Pending => return,
            Poll::Ready(Some(held)) => {
                self.served.push(*name);
                self.held.push(held);
            }
            Poll::Ready(None) => self.refused.push(*name),
        }
        drop(self.waiting.remove(place));
    }

    fn gate(&self, gate: impl FnOnce(Instant) -> Gate) {
        self.shared.update(|bucket, now| bucket.set_gate(gate(now)));
    }

    fn seen(&self) -> Seen {
        let snapshot = self.shared.snapshot();
        Seen {
            served: self.served.clone(),
            refused: self.refused.clone(),
            waiting: (snapshot.waiting, snapshot.waiting_cost),
            level: snapshot.level,
        }
    }
}

/// Runs in a runtime whose clock stands still.
fn paused<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}

proptest! {
    #[test]
    fn by_the_lane_or_by_the_lock_the_same_pass_at_the_same_time(events in events(true)) {
        paused(async {
            let bucket = Tokens::new(BURST, EVERY);
            let mut locked = Scene::new(Ledger::of(bucket.clone()).0);
            let mut fast = Scene::new(bucket);
            for event in &events {
                match event {
                    // The clock is one.
                    Event::Pass(_) => fast.happen(event).await,
                    _ => {
                        fast.happen(event).await;
                        locked.happen(event).await;
                    }
                }
                prop_assert_eq!(fast.seen(), locked.seen());
            }
            Ok(())
        })?;
    }

    /// The line is looked at when something is due. To look more often must change nothing, as long
    /// as timers ring in time: all is due at whole milliseconds here.
    #[test]
    fn a_look_that_was_not_due_changes_nothing(events in events(true)) {
        paused(async {
            let both = (Gate::Open, Tokens::new(BURST, EVERY));
            let (limiter, alone) = Ledger::of(both.clone());
            let mut alone = (Scene::new(limiter), alone);
            let (limiter, watched) = Ledger::of(both);
            let mut watched = (Scene::new(limiter), watched);
            let start = now();
            for event in &events {
                let event = &match *event {
                    Event::Pass(micros) => Event::Pass(micros / 1000 * 1000),
                    Event::Rate(_) => Event::PollAll,
                    ref other => other.clone(),
                };
                alone.0.happen(event).await;
                if !matches!(event, Event::Pass(_)) {
                    watched.0.happen(event).await;
                }
                watched.0.shared.update(|_, _| ());
                prop_assert_eq!(alone.0.seen(), watched.0.seen());
                prop_assert_eq!(alone.1.dates(start), watched.1.dates(start));
            }
            Ok(())
        })?;
    }

    /// Nobody is polled in time, callers give up whenever they like, timers are late: in any time `T`
    /// no more is sent than the burst, and what flows in in `T`, a lag and a shelf life. Whoever is
    /// served here sends at once; permits in a hand are another matter.
    #[test]
    fn what_is_sent_in_any_time_is_bounded(events in events(false)) {
        paused(async {
            let mut scene = Scene::new(Ledger::of(Tokens::new(BURST, EVERY)).0);
            let mut sent = Vec::new();
            for event in &events {
                scene.happen(event).await;
                let cost: u32 = scene.held.drain(..).map(Held::send).sum();
                sent.push((now(), cost));
            }
            for (index, &(from, _)) in sent.iter().enumerate() {
                let mut tokens = 0;
                for &(to, cost) in &sent[index..] {
                    tokens += u128::from(cost);
                    let flowed_in = (to - from + LAG + SHELF_LIFE).as_nanos() / EVERY.as_nanos();
                    prop_assert!(tokens <= u128::from(BURST) + flowed_in, "{} tokens in {:?}", tokens, to - from);
                }
            }
            Ok(())
        })?;
    }
}
