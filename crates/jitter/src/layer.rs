use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_layer::Layer;

use crate::{Generator, Jittered, generator::lock, spread::Spread};

/// Delays requests at random, so that many clients woken by one event don't march in step.
///
/// ```text
///            ↓ one event wakes three clients, each sends four requests in a row
/// none       ||||                     ||||                      ||||
/// all        |  | ||                   || |   |                 |  |  | |
/// after_idle   ||||                   ||||                          ||||      max_delay 5
///            0    5                   0    5                    0    5
/// ```
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use tokio::time::Instant;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_throttle_jitter::JitterLayer;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let client = ServiceBuilder::new()
///     .layer(JitterLayer::new(Duration::from_secs(5)))
///     .service(service_fn(|name: &'static str| async move { Ok::<_, Infallible>(name) }));
///
/// let start = Instant::now();
/// assert_eq!(client.oneshot("refresh").await, Ok("refresh"));
/// assert!(start.elapsed() <= Duration::from_millis(5_001)); // tokio's timers tick once a millisecond
/// # }
/// ```
///
/// # Sharing
///
/// Clones of the layer, the services it makes and their clones share one generator and one notion of idleness.
/// [`after_idle`](Self::after_idle) and [`generator`](Self::generator) make a layer that shares with none before it.
#[derive(Clone, Debug)]
pub struct JitterLayer {
    spread: Arc<Mutex<Spread>>,
}

impl JitterLayer {
    /// Delays every request by `U[0, max_delay]`, each by a draw of its own.
    ///
    /// Zero delays none; more than thirty years count as thirty.
    #[must_use]
    pub fn new(max_delay: Duration) -> Self {
        Self::over(Spread::new(max_delay, Generator::new()))
    }

    /// Delays only after an idle time: if none has left for `idle`, or none ever has.
    ///
    /// Those that come while that first one waits leave together with it: overtaking it, the rest of the burst
    /// would be in step with every other client's. A request in flight, however long, doesn't keep the service
    /// awake. By default every request is delayed.
    #[must_use]
    pub fn after_idle(self, idle: Duration) -> Self {
        Self::over(lock(&self.spread).after_idle(idle))
    }

    /// Where the randomness comes from: by default the next stream of this process, [`Generator::new`].
    #[must_use]
    pub fn generator(self, generator: Generator) -> Self {
        Self::over(lock(&self.spread).with_generator(generator))
    }

    fn over(spread: Spread) -> Self {
        Self {
            spread: Arc::new(Mutex::new(spread)),
        }
    }
}

impl<S> Layer<S> for JitterLayer {
    type Service = Jittered<S>;

    fn layer(&self, inner: S) -> Jittered<S> {
        Jittered::new(inner, Arc::clone(&self.spread))
    }
}
