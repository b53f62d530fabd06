//! What is told to `tracing`, and when.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tower_throttle_core::{Shared, doc::OnePerSecond};
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};

/// Lets one event through a second, by the very limiter that it is told about.
struct Sampler {
    limiter: Shared<OnePerSecond>,
    told: Arc<AtomicUsize>,
}

impl Subscriber for Sampler {
    fn register_callsite(&self, _metadata: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        let _ = self.limiter.snapshot();
        let _ = self.limiter.try_acquire(());
        true
    }

    fn event(&self, _event: &Event<'_>) {
        let _ = self.limiter.snapshot();
        self.told.fetch_add(1, Ordering::SeqCst);
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// The filter was asked under the lock: a subscriber that used the limiter locked up.
#[tokio::test(start_paused = true)]
async fn a_subscriber_may_use_the_limiter_that_it_is_told_about() {
    let limiter = Shared::new(OnePerSecond::default());
    let told = Arc::default();
    let sampler = Sampler {
        limiter: limiter.clone(),
        told: Arc::clone(&told),
    };
    let _guard = tracing::subscriber::set_default(sampler);
    limiter.acquire(()).await.unwrap().spend();
    limiter.acquire(()).await.unwrap().spend();
    assert_eq!(told.load(Ordering::SeqCst), 1);
}
