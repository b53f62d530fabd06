//! With a `max_wait`, whoever may stand in line is served in time, and whoever may not is told the
//! truth.

mod probe;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use proptest::prelude::*;
use tokio::task::AbortHandle;
use tower_throttle_core::{LAG, Queue, Rejected, Shared, Why};

use self::probe::{Tokens, jump, now, settle};

const BURST: u32 = 5;
const EVERY: Duration = Duration::from_micros(7_300);
const MAX_WAIT: Duration = Duration::from_micros(91_700);

#[derive(Debug, Clone)]
enum Event {
    Join(u32),
    Leave(usize),
    /// Timers ring late by no more than this.
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0..=BURST).prop_map(Event::Join),
        1 => any::<usize>().prop_map(Event::Leave),
        4 => (0_u64..8_000).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..200)
}

/// What became of whom, and after how long.
type Ends = Arc<Mutex<BTreeMap<usize, (Duration, Result<(), Rejected>)>>>;

struct Crowd {
    shared: Shared<Tokens>,
    ends: Ends,
    tasks: Vec<AbortHandle>,
}

impl Crowd {
    async fn happen(&mut self, event: &Event) {
        match *event {
            Event::Join(cost) => {
                let (shared, ends) = (self.shared.clone(), Arc::clone(&self.ends));
                let (name, came) = (self.tasks.len(), now());
                let task = tokio::spawn(async move {
                    let end = shared.acquire(cost).await;
                    let end = end.map(|permit| drop(permit.spend()));
                    ends.lock().unwrap().insert(name, (now() - came, end));
                });
                self.tasks.push(task.abort_handle());
                settle().await;
            }
            Event::Leave(n) if !self.tasks.is_empty() => {
                self.tasks[n % self.tasks.len()].abort();
                settle().await;
            }
            Event::Leave(_) => {}
            Event::Pass(micros) => jump(Duration::from_micros(micros)).await,
        }
    }
}

proptest! {
    #[test]
    fn a_prediction_comes_true(events in events()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let queue = Queue::new().max_wait(MAX_WAIT);
            let shared = Shared::with_queue(Tokens::new(BURST, EVERY), queue);
            let mut crowd = Crowd { shared, ends: Ends::default(), tasks: Vec::new() };
            for event in &events {
                crowd.happen(event).await;
            }
            for _ in 0..30 {
                jump(Duration::from_millis(5)).await;
            }
            prop_assert_eq!(crowd.shared.snapshot().waiting, 0, "somebody is left");
            for (waited, end) in crowd.ends.lock().unwrap().values() {
                match end {
                    Ok(()) => prop_assert!(*waited <= MAX_WAIT + LAG, "{:?}", waited),
                    Err(rejected) => {
                        prop_assert_eq!(rejected.why(), Why::TooLong);
                        prop_assert_eq!(*waited, Duration::ZERO, "it was let in");
                        prop_assert!(rejected.retry_after() > Some(MAX_WAIT));
                    }
                }
            }
            Ok(())
        })?;
    }
}
