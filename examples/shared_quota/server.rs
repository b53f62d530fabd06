use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{HeaderValue, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// An HTTP/1.1 server on loopback with one quota for each fixed window. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    addr: SocketAddr,
    desk: Arc<Desk>,
    listening: JoinHandle<()>,
}

impl Server {
    /// Starts a server. Its first window begins now.
    pub(crate) async fn start(quota: u32, window: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let desk = Arc::new(Desk::new(FixedWindow::new(quota, window)));
        let listening = tokio::spawn(listen(listener, desk.clone()));
        Ok(Self {
            addr,
            desk,
            listening,
        })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// When the first window began.
    pub(crate) fn started(&self) -> Instant {
        self.desk.started
    }

    /// What the server has answered since it started.
    pub(crate) fn served(&self) -> Served {
        self.desk.lock().served()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// How many requests were answered, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) accepted: u32,
    pub(crate) rejected: u32,
}

/// So many requests in each window; windows follow each other without a gap. Told the time.
#[derive(Debug)]
pub(crate) struct FixedWindow {
    quota: u32,
    length: Duration,
    index: u128,
    used: u32,
    served: Served,
}

impl FixedWindow {
    pub(crate) fn new(quota: u32, length: Duration) -> Self {
        Self {
            quota,
            length,
            index: 0,
            used: 0,
            served: Served::default(),
        }
    }

    /// Accepts a request, or says how long it is until the next window.
    pub(crate) fn admit(&mut self, since_start: Duration) -> Result<(), Duration> {
        self.enter_window(since_start);
        if self.used < self.quota {
            self.used += 1;
            self.served.accepted += 1;
            return Ok(());
        }
        self.served.rejected += 1;
        Err(self.until_reset(since_start))
    }

    pub(crate) fn served(&self) -> Served {
        self.served
    }

    fn enter_window(&mut self, since_start: Duration) {
        let index = since_start.as_nanos() / self.length.as_nanos();
        if index > self.index {
            self.index = index;
            self.used = 0;
        }
    }

    fn until_reset(&self, since_start: Duration) -> Duration {
        let reset = (self.index + 1) * self.length.as_nanos();
        let nanos = reset.saturating_sub(since_start.as_nanos());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Where all connections meet: the window behind its lock, and the clock.
#[derive(Debug)]
struct Desk {
    started: Instant,
    window: Mutex<FixedWindow>,
}

impl Desk {
    fn new(window: FixedWindow) -> Self {
        Self {
            started: Instant::now(),
            window: Mutex::new(window),
        }
    }

    fn answer(&self) -> Response<Full<Bytes>> {
        let mut window = self.lock();
        // Read inside the lock, so that the window sees time in order.
        match window.admit(self.started.elapsed()) {
            Ok(()) => Response::new(Full::from("ok\n")),
            Err(until_reset) => too_many_requests(until_reset),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, FixedWindow> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn too_many_requests(until_reset: Duration) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("the quota of this window is spent\n"));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let seconds = HeaderValue::from(whole_seconds(until_reset));
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}

/// Rounds up, as RFC 9110 section 10.2.3 has whole seconds only and too early is another 429.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

async fn listen(listener: TcpListener, desk: Arc<Desk>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, desk.clone()));
            }
            Err(error) => {
                eprintln!("server: cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// A connection that breaks is the client's to report.
async fn serve(stream: TcpStream, desk: Arc<Desk>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |_| {
        let response = desk.answer();
        async move { Ok::<_, Infallible>(response) }
    });
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_window_accepts_its_quota_and_tells_the_rest_when_it_ends() {
        let mut window = FixedWindow::new(2, SECOND);
        let answers = [0, 100, 200, 999].map(|millis| window.admit(at(millis)));
        assert_eq!(answers, [Ok(()), Ok(()), Err(at(800)), Err(at(1))]);
        assert_eq!(
            window.served,
            Served {
                accepted: 2,
                rejected: 2
            }
        );
    }

    #[test]
    fn each_window_has_the_whole_quota_again_and_nothing_is_carried_over() {
        let mut window = FixedWindow::new(1, SECOND);
        let answers = [0, 1000, 1999, 5500, 5600].map(|millis| window.admit(at(millis)));
        assert_eq!(answers, [Ok(()), Ok(()), Err(at(1)), Ok(()), Err(at(400))]);
    }

    #[test]
    fn time_that_goes_backwards_opens_no_window_again() {
        let mut window = FixedWindow::new(1, SECOND);
        assert_eq!(window.admit(at(1000)), Ok(()));
        assert_eq!(window.admit(at(999)), Err(at(1001)));
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        for (millis, seconds) in [(1, 1), (999, 1), (1000, 1), (1001, 2)] {
            let response = too_many_requests(at(millis));
            assert_eq!(
                response.headers()[RETRY_AFTER],
                seconds.to_string(),
                "{millis} ms"
            );
        }
    }
}
