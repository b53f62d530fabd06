//! What `tracing` is told.
//!
//! By itself, since what a thread without a listener does first counts for the other threads of a
//! process too.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use tower_throttle_congestion::{Congestion, LittlesLaw, SharedCongestion};
use tower_throttle_core::{Limiter, Outcome};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::set_default,
};

/// The events of this crate, each as its name, and the names and values of its fields.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        written.unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_throttle_congestion")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn each_change_of_the_limit_is_told_once_with_its_cause() {
    let log = Log::default();
    let _guard = set_default(log.clone());
    let limit = SharedCongestion::with(LittlesLaw::new()).name("api");

    limit.set_limit(10);
    limit.set_limit(10);
    let call = limit.try_acquire().unwrap().spend();
    call.complete(Outcome::Throttled);
    limit.set_ceiling(Some(4));
    limit.set_ceiling(Some(4));

    assert_eq!(
        log.take(),
        [
            r#"concurrency_adapted name="api" old=20.0 new=10.0 cause=Set"#,
            r#"concurrency_adapted name="api" old=10.0 new=9.0 cause=Throttled"#,
            r#"concurrency_adapted name="api" old=9.0 new=4.0 cause=Declared"#,
        ]
    );
}

/// The first of two changes was missing: from 10 to 5, and nobody had heard of the 10.
#[test]
fn changes_that_were_not_told_yet_are_told_as_one() {
    let log = Log::default();
    let _guard = set_default(log.clone());
    let mut limiter = Congestion::with(LittlesLaw::new());

    limiter.set_limit(10);
    limiter.set_limit(5);
    let report = limiter.report().unwrap();
    assert!(limiter.report().is_none(), "it has been told");
    report(None);

    let told = log.take();
    assert_eq!(told, ["concurrency_adapted old=20.0 new=5.0 cause=Set"]);
}
