//! What `tracing` is told.
//!
//! By itself, since what a thread without a listener does first counts for the other threads of a
//! process too.

use std::{
    convert::Infallible,
    fmt::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_throttle_aimd::{AdaptiveLayer, AimdLayer, Law, PacedLayer};
use tower_throttle_token_bucket::Rate;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// The events of this crate, each as its level, its name, and the names and values of its fields.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<Told>>>);

#[derive(Debug, Clone, Default, PartialEq)]
struct Told {
    text: String,
    old: f64,
    new: f64,
}

impl Visit for Told {
    fn record_f64(&mut self, field: &Field, value: f64) {
        match field.name() {
            "old" => self.old = value,
            "new" => self.new = value,
            name => panic!("{name}"),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            // That it waits is for other tests: how long is drawn.
            "pause" => Ok(()),
            name => write!(self.text, " {name}={value:?}"),
        };
        written.unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_throttle_aimd")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut told = Told::default();
        event.record(&mut told);
        self.0.lock().unwrap().push(told);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// What is told while requests are answered with these statuses, one after the other.
async fn told<L: Law>(layer: PacedLayer<L>, statuses: &[u16]) -> Vec<Told> {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let layer = layer.name("api");
    for &status in statuses {
        let server = service_fn(move |_: Request<()>| async move {
            Ok::<_, Infallible>(Response::builder().status(status).body(()).unwrap())
        });
        let response = layer.layer(server).oneshot(Request::new(())).await;
        assert_eq!(response.unwrap().status(), status);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    log.0.lock().unwrap().clone()
}

fn texts(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| &*told.text).collect()
}

#[tokio::test(start_paused = true)]
async fn the_beginning_each_further_cut_and_the_end_of_a_congestion_are_told_once() {
    let layer = AdaptiveLayer::new().seed(1);
    let told = told(layer, &[200, 429, 429, 200, 200, 500]).await;
    assert_eq!(
        texts(&told),
        [
            r#"rate_adapted name="api" cause="throttled""#,
            r#"rate_adapted name="api" cause="throttled again""#,
            r#"rate_adapted name="api" cause="accepted""#,
        ]
    );
    let [first, second, end] = &told[..] else {
        unreachable!("there are three")
    };
    assert!((first.new / first.old - 0.9).abs() < 1e-9, "{first:?}");
    assert!((second.new / second.old - 0.7).abs() < 1e-9, "{second:?}");
    assert!((end.old / second.new - 1.0).abs() < 1e-9, "{end:?}");
    assert!(end.new > 0.0 && end.new <= first.old, "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn cuts_of_the_classic_law_and_their_end_are_told_and_its_growth_is_not() {
    let layer = AimdLayer::conservative(Rate::per_second(10)).seed(1);
    // The start takes less than four seconds: log2(9) halves of a window of a second.
    let told = told(layer, &[200, 200, 200, 200, 429, 200, 200, 500]).await;
    assert_eq!(
        texts(&told),
        [
            r#"rate_adapted name="api" cause="throttled""#,
            r#"rate_adapted name="api" cause="accepted""#,
        ]
    );
    // A half, spread by ±20 %.
    assert!((told[0].old - 10.0).abs() < 1e-9, "{told:?}");
    assert!((4.0..=6.0).contains(&told[0].new), "{told:?}");
}
