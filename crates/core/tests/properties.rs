//! Laws of the line, under any order of what may happen to it.

mod probe;

use std::{future::Future, time::Duration};

use proptest::prelude::*;
use tokio_test::task::{self, Spawn};
use tower_throttle_core::{Acquire, Permit, Shared, Snapshot};

use self::probe::{Ledger, Recorded, Slots, Tokens, jump, ms, secs};

const BURST: u32 = 4;
const EVERY: Duration = ms(50);

#[derive(Debug, Clone)]
enum Event {
    Join(u32),
    /// Somebody stops waiting.
    Leave(usize),
    /// A permit goes back unused.
    Return(usize),
    /// A permit is used, and its request ends.
    Spend(usize),
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0..=BURST).prop_map(Event::Join),
        2 => any::<usize>().prop_map(Event::Leave),
        2 => any::<usize>().prop_map(Event::Return),
        3 => any::<usize>().prop_map(Event::Spend),
        4 => (0_u64..300).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..80)
}

/// Those who wait, in the order in which they came, and what was granted.
struct Scene<L: tower_throttle_core::Limiter> {
    shared: Shared<L>,
    in_line: Vec<Spawn<Acquire<L>>>,
    granted: Vec<Permit<L>>,
}

impl<L: tower_throttle_core::Limiter> Scene<L> {
    fn new(shared: Shared<L>) -> Self {
        Self {
            shared,
            in_line: Vec::new(),
            granted: Vec::new(),
        }
    }

    async fn happen(&mut self, event: Event, cost: impl Fn(u32) -> L::Cost) {
        match event {
            Event::Join(tokens) => {
                let acquire = self.shared.acquire(cost(tokens));
                self.in_line.push(task::spawn(acquire));
            }
            Event::Leave(n) => drop(pick(&mut self.in_line, n)),
            Event::Return(n) => drop(pick(&mut self.granted, n)),
            Event::Spend(n) => drop(pick(&mut self.granted, n).map(Permit::spend)),
            Event::Pass(millis) => jump(ms(millis)).await,
        }
    }

    /// Polls all who wait, the last first: whoever is served, it is not by being asked first.
    ///
    /// Returns whether all who were served came before all who were not.
    fn poll(&mut self) -> bool {
        let mut last_served = None;
        let mut first_waiting = None;
        let mut waiting = Vec::new();
        for (place, mut acquire) in self.in_line.drain(..).enumerate().rev() {
            match acquire.poll() {
                std::task::Poll::Ready(permit) => {
                    last_served = last_served.max(Some(place));
                    self.granted.push(permit.unwrap());
                }
                std::task::Poll::Pending => {
                    first_waiting = Some(place);
                    waiting.push(acquire);
                }
            }
        }
        waiting.reverse();
        self.in_line = waiting;
        first_waiting.is_none_or(|first| last_served.is_none_or(|last| last < first))
    }

    fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }
}

fn pick<T>(from: &mut Vec<T>, n: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.remove(n % from.len()))
}

/// Runs in a runtime whose clock stands still.
fn paused<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

fn tokens() -> (Shared<Recorded<Tokens>>, Ledger) {
    let (tokens, ledger) = Ledger::of(Tokens::new(BURST, EVERY));
    (Shared::new(tokens), ledger)
}

proptest! {
    #[test]
    fn whoever_came_first_is_served_first_and_everybody_in_the_end(events in events()) {
        paused(async {
            let (shared, ledger) = tokens();
            let mut scene = Scene::new(shared);
            for event in events {
                // One who joins is polled before the next comes, as its task would.
                let joins = matches!(event, Event::Join(_));
                scene.happen(event, |cost| cost).await;
                if joins {
                    let newcomer = scene.in_line.len() - 1;
                    if let std::task::Poll::Ready(permit) = scene.in_line[newcomer].poll() {
                        scene.granted.push(permit.unwrap());
                        let _ = scene.in_line.pop();
                        prop_assert!(scene.poll() && scene.in_line.is_empty(), "it overtook");
                    }
                }
                prop_assert!(scene.poll(), "somebody overtook");
                prop_assert_eq!(scene.snapshot().waiting, scene.in_line.len());
                prop_assert_eq!(ledger.held() >= scene.granted.len(), true);
            }
            for _ in 0..scene.in_line.len() {
                jump(secs(1)).await;
                prop_assert!(scene.poll());
            }
            prop_assert!(scene.in_line.is_empty(), "somebody starves");
            Ok(())
        })?;
    }

    #[test]
    fn what_comes_back_is_what_was_taken(events in events()) {
        paused(async {
            let (shared, ledger) = tokens();
            let mut scene = Scene::new(shared.clone());
            for event in events {
                // Nothing is spent here.
                let event = if let Event::Spend(n) = event { Event::Return(n) } else { event };
                scene.happen(event, |cost| cost).await;
                scene.poll();
            }
            drop(scene);
            let entries = ledger.entries().clone();
            prop_assert_eq!(entries.taken, entries.cancelled);
            let snapshot = shared.snapshot();
            prop_assert_eq!((snapshot.waiting, snapshot.waiting_cost), (0, 0));
            jump(EVERY * BURST).await;
            prop_assert_eq!(shared.snapshot().level, Some(i64::from(BURST)));
            Ok(())
        })?;
    }

    #[test]
    fn places_in_flight_are_never_more_than_there_are(
        limit in 1_u32..5,
        events in events(),
    ) {
        paused(async {
            let shared = Shared::new(Slots::new(limit));
            let mut scene = Scene::new(shared.clone());
            for event in events {
                scene.happen(event, |_cost| ()).await;
                scene.poll();
                let in_flight = scene.snapshot().in_flight.unwrap();
                prop_assert!(in_flight <= limit);
                prop_assert_eq!(in_flight as usize, scene.granted.len());
                prop_assert!(scene.in_line.is_empty() || in_flight == limit, "a place lies idle");
            }
            drop(scene);
            prop_assert_eq!(shared.snapshot().in_flight, Some(0));
            Ok(())
        })?;
    }
}
