//! What `tracing` is told.
//!
//! By itself, since what a thread without a listener does first counts for the other threads of a
//! process too.

#[path = "gate/world.rs"]
mod world;

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use tower::Layer;
use tower_throttle_jitter::Jitter;
use tower_throttle_retry_after::OverCap;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use self::world::{Server, ask, exact_layer, ms, response, secs, wait};

/// The events of this crate, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let line = &mut self.0;
        let written = match field.name() {
            "message" => write!(line, "{value:?}"),
            name => write!(line, " {name}={value:?}"),
        };
        written.unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_throttle_retry_after")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_hit_a_closure_and_an_opening_are_told_once_each() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let limited = response(429, &[("retry-after", "5"), ("x-ratelimit-remaining", "0")]);
    let layer = exact_layer().name("api").jitter(Jitter::none());
    let service = layer.layer(Server::saying([limited]).service());
    ask(&service).await.unwrap();
    assert_eq!(
        log.take(),
        [
            r#"rate_limit_hit name="api" status=429 retry_after=Some(5s) remaining=0"#,
            r#"gate_closed name="api" pause=5s asked=5s refuses=false"#,
        ]
    );
    ask(&service).await.unwrap();
    ask(&service).await.unwrap();
    assert_eq!(log.take(), [r#"gate_opened name="api" after=5s"#]);
}

#[tokio::test(start_paused = true)]
async fn equal_words_are_hits_but_one_closure_and_a_longer_one_is_told() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let layer = exact_layer();
    let server = Server::saying([wait("5"), wait("5"), wait("9")]).after(ms(1));
    let service = layer.layer(server.service());
    let _ = tokio::join!(ask(&service), ask(&service), ask(&service));
    let closed: Vec<_> = log
        .take()
        .into_iter()
        .filter(|line| !line.starts_with("rate"))
        .collect();
    assert_eq!(
        closed,
        [
            "gate_closed pause=5s asked=5s refuses=false",
            "gate_closed pause=9s asked=9s refuses=false",
        ]
    );
}

// Never shortened silently.
#[tokio::test(start_paused = true)]
async fn a_pause_that_is_shortened_or_refused_is_told_as_such() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    for (over_cap, told) in [
        (
            OverCap::Clamp,
            "gate_closed pause=120s asked=300s refuses=false",
        ),
        (
            OverCap::Surface,
            "gate_closed pause=300s asked=300s refuses=true",
        ),
    ] {
        let layer = exact_layer().over_cap(over_cap);
        ask(&layer.layer(Server::saying([wait("300")]).service()))
            .await
            .unwrap();
        assert_eq!(log.take()[1], told);
    }
}

/// The first version looked at the end of the pause only, which an hour shortened to two minutes does
/// not put off.
#[tokio::test(start_paused = true)]
async fn a_word_that_is_shortened_more_than_the_one_before_is_told() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let server = Server::saying(["120", "300", "300", "200", "3600"].map(wait)).after(ms(1));
    let service = exact_layer()
        .over_cap(OverCap::Clamp)
        .layer(server.service());
    futures_util::future::join_all((0..5).map(|_| ask(&service))).await;
    let mut told = log.take();
    told.retain(|line| line.starts_with("gate_closed"));
    assert_eq!(
        told,
        [
            "gate_closed pause=120s asked=120s refuses=false",
            "gate_closed pause=120s asked=300s refuses=false",
            "gate_closed pause=120s asked=3600s refuses=false",
        ]
    );
}

/// The first version told of the first one only, as both end before the pause by hand.
#[tokio::test(start_paused = true)]
async fn a_word_from_which_on_requests_are_refused_is_told_and_a_longer_one_again() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let layer = exact_layer();
    let server = Server::saying(["130", "130", "140"].map(wait)).after(ms(1));
    let service = layer.layer(server.service());
    let answers = futures_util::future::join_all((0..3).map(|_| ask(&service)));
    tokio::join!(answers, async { layer.limiter().pause(secs(3600)) });
    let mut told = log.take();
    told.retain(|line| line.starts_with("gate_closed"));
    assert_eq!(
        told,
        [
            "gate_closed pause=3600s asked=3600s refuses=false",
            "gate_closed pause=130s asked=130s refuses=true",
            "gate_closed pause=140s asked=140s refuses=true",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_done_by_hand_is_told_too() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let layer = exact_layer();
    layer.limiter().pause(secs(60));
    tokio::time::advance(secs(2)).await;
    layer.limiter().resume();
    layer.limiter().resume();
    assert_eq!(
        log.take(),
        [
            "gate_closed pause=60s asked=60s refuses=false",
            "gate_opened after=2s",
        ]
    );
}
