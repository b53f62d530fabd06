//! What the retries tell `tracing`. By itself in a process: whether anybody listens to an event is
//! remembered for all threads.

use std::{
    fmt::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_throttle_core::BoxError;
use tower_throttle_retry_after::RetryLayer;
use tracing::{Event, Metadata, Subscriber, field, span};

#[tokio::test(start_paused = true)]
async fn events_tell_of_each_retry_and_of_the_end() {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let attempts = AtomicU32::new(0);
    let server = Arc::new(move || match attempts.fetch_add(1, Ordering::Relaxed) {
        0 => {
            let response = Response::builder().status(429).header("retry-after", "2");
            Ok(response.body(()).unwrap())
        }
        _ => Err::<_, BoxError>("the connection broke".into()),
    });
    let server = service_fn(move |_| std::future::ready(server()));
    let layer = RetryLayer::new().name("api").max_retries(1).spread(0.0);
    // A second is the most that the own backoff comes to, so the server's wait counts.
    let call = layer.layer(server).oneshot(Request::new(()));
    call.await.unwrap_err();
    assert_eq!(
        *log.0.lock().unwrap(),
        [
            "retry name=api attempt=1 backoff=2s cause=429 Too Many Requests",
            "retry_given_up name=api attempt=2 why=no retries are left cause=the connection broke",
        ]
    );
}

/// Writes down the events of this crate.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line {
    message: String,
    fields: String,
}

impl field::Visit for Line {
    fn record_str(&mut self, field: &field::Field, value: &str) {
        write!(self.fields, " {field}={value}").unwrap();
    }

    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => write!(self.message, "{value:?}").unwrap(),
            name => write!(self.fields, " {name}={value:?}").unwrap(),
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_throttle_retry_after")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line {
            message: String::new(),
            fields: String::new(),
        };
        event.record(&mut line);
        self.0.lock().unwrap().push(line.message + &line.fields);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
