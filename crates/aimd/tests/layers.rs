//! The layers, in virtual time.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_throttle_aimd::AdaptiveLayer;
use tower_throttle_retry_after::RetryLayer;

const SECOND: Duration = Duration::from_secs(1);

/// A server with a quota per fixed window, that takes 100 ms for an answer.
#[derive(Debug, Clone)]
struct Quota {
    start: Instant,
    quota: u32,
    window: Duration,
    /// Accepted and refused, in each window.
    seen: Arc<Mutex<Vec<[u32; 2]>>>,
}

impl Quota {
    fn new(quota: u32, window: Duration) -> Self {
        Self {
            start: Instant::now(),
            quota,
            window,
            seen: Arc::default(),
        }
    }

    fn answer(&self) -> StatusCode {
        let window = self.start.elapsed().as_nanos() / self.window.as_nanos();
        let window = usize::try_from(window).unwrap();
        let mut seen = self.seen.lock().unwrap();
        let windows = seen.len().max(window + 1);
        seen.resize(windows, [0; 2]);
        let over = seen[window][0] >= self.quota;
        seen[window][usize::from(over)] += 1;
        if over {
            StatusCode::TOO_MANY_REQUESTS
        } else {
            StatusCode::OK
        }
    }

    fn service(
        &self,
    ) -> impl Service<Request<()>, Response = Response<()>, Error = Infallible, Future: Send>
    + Clone
    + use<> {
        let server = self.clone();
        service_fn(move |_: Request<()>| {
            let server = server.clone();
            async move {
                tokio::time::sleep(SECOND / 10).await;
                let response = Response::builder().status(server.answer());
                Ok(response.body(()).unwrap())
            }
        })
    }
}

fn request() -> Request<()> {
    Request::new(())
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_refused_requests_go_back_to_the_line() {
    let server = Quota::new(20, 10 * SECOND);
    let adaptive = AdaptiveLayer::new().seed(1).max_waiting(500);
    let stack = RetryLayer::around_adaptive().layer(adaptive.layer(server.service()));

    let all = (0..200).map(|_| tokio::spawn(stack.clone().oneshot(request())));
    for call in all.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
    }

    let seen = server.seen.lock().unwrap();
    let accepted: u32 = seen.iter().map(|[accepted, _]| accepted).sum();
    assert_eq!(accepted, 200);
}
