use std::time::Duration;

use clap::ValueEnum;
use tower::{Layer, util::BoxCloneService};
use tower_throttle_aimd::AdaptiveLayer;
use tower_throttle_retry_after::{OverCap, RetryAfterLayer, RetryLayer, retry::Budget};
use tower_throttle_token_bucket::{Rate, TokenBucketLayer};

use crate::client::Caller;

/// What a client does about the quota. To add one: a variant, and a function that builds its stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strategy {
    /// Each client finds its share of the quota by itself, and repeats what is rejected meanwhile: it
    /// is told the quota and the window, but not how many others there are
    Adaptive,
    /// Each client paces itself to its share of the quota: it must know the quota and how many
    /// clients there are, and gives up 20 ms of each window to be safe
    TokenBucket,
    /// Each client only repeats what was rejected, once the server says: it need not know the quota
    /// and loses no request, but meets a 429 whenever the quota is spent
    Retry,
    /// Each client waits when the server says so, and comes back one request at a time: it need not
    /// know the quota, and loses only what was on its way when the quota ran out. With the defaults
    /// that is about 40 requests where the bare clients lose 13000, and 80 to 90 % of the quota
    /// are used: the server rounds its waits up to whole seconds
    Gate,
}

impl Strategy {
    /// Puts the layers of this strategy around a bare client.
    pub(crate) fn around(self, bare: Caller, seat: Seat) -> Caller {
        match self {
            Self::Adaptive => adaptive(bare, seat),
            Self::TokenBucket => token_bucket(bare, seat),
            Self::Retry => retry(bare, seat),
            Self::Gate => gate(bare, seat),
        }
    }

    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// What one client has been told: which of how many it is, and what they share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat {
    pub(crate) index: u32,
    pub(crate) clients: u32,
    pub(crate) quota: u32,
    pub(crate) window: Duration,
}

impl Seat {
    /// This client's part of the quota. The first ones share what is left over, so that all parts
    /// come to the whole.
    fn share(self) -> u32 {
        self.quota / self.clients + u32::from(self.index < self.quota % self.clients)
    }
}

/// How unevenly requests may arrive without meeting a spent window: 10 ms by which a grant may be
/// dated back ([`LAG`](tower_throttle_core::LAG)), and 10 ms of difference between slow and quick
/// ways to the server.
const SLACK: Duration = Duration::from_millis(20);

/// Sends `share` requests in each window plus [`SLACK`], evenly.
///
/// At burst 1, requests are sent at least `d = (window + SLACK) / share` apart. If each arrives at
/// most `SLACK` late, at most `ceil((window + SLACK) / d) = share` of them meet any one window,
/// wherever that begins. The price is `SLACK / window` of the quota: 2 % of a window of a second.
fn token_bucket(bare: Caller, seat: Seat) -> Caller {
    let rate = Rate::per(seat.share(), seat.window + SLACK);
    let layer = TokenBucketLayer::new(rate).burst(1);
    BoxCloneService::new(layer.layer(bare))
}

/// Repeats a rejected request at the rate that the client has found, until it is accepted.
fn adaptive(bare: Caller, seat: Seat) -> Caller {
    let rate = AdaptiveLayer::new()
        .window(seat.window)
        .max_rate(Rate::per(seat.quota, seat.window))
        .over_cap(OverCap::Honor)
        .seed(seat.index.into());
    let retry = RetryLayer::around_adaptive()
        .max_retries(u32::MAX)
        .budget(Budget::default().throttled(0));
    BoxCloneService::new(retry.layer(rate.layer(bare)))
}

/// Repeats a rejected request until it is accepted, however often that is: others may be quicker each
/// time, so the retries are neither counted nor charged.
///
/// The server asks for up to a window, in whole seconds.
fn retry(bare: Caller, seat: Seat) -> Caller {
    let layer = RetryLayer::new()
        .max_retries(u32::MAX)
        .budget(Budget::default().throttled(0))
        .max_wait(seat.window + Duration::from_secs(1));
    BoxCloneService::new(layer.layer(bare))
}

/// Waits for as long as the server says, even for a window of minutes. Each client draws numbers of its
/// own, as it would in a process of its own.
fn gate(bare: Caller, seat: Seat) -> Caller {
    let layer = RetryAfterLayer::new()
        .over_cap(OverCap::Honor)
        .seed(seat.index.into());
    BoxCloneService::new(layer.layer(bare))
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{
            Arc, Mutex,
            atomic::{AtomicU64, Ordering},
        },
    };

    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::{Request, Response, StatusCode};
    use tokio::{task::JoinSet, time::Instant};
    use tower::{BoxError, Service, ServiceExt, service_fn};

    use super::*;
    use crate::server::{FixedWindow, Served, too_many_requests};

    const WINDOWS: u32 = 20;

    fn seats(clients: u32, quota: u32, window: Duration) -> impl Iterator<Item = Seat> {
        (0..clients).map(move |index| Seat {
            index,
            clients,
            quota,
            window,
        })
    }

    #[test]
    fn the_shares_come_to_the_quota_and_differ_by_one_at_most() {
        for (clients, quota) in [
            (1, 1),
            (4, 100),
            (4, 103),
            (3, 3),
            (64, 1000),
            (7, 1_000_000),
        ] {
            let shares: Vec<_> = seats(clients, quota, SLACK).map(Seat::share).collect();
            let (least, most) = (shares[shares.len() - 1], shares[0]);
            assert_eq!(shares.iter().sum::<u32>(), quota, "{quota} among {clients}");
            assert!(most - least <= 1 && least > 0, "{shares:?}");
        }
    }

    /// A server in virtual time which is reached after 0 to 19 ms. `offset`: how far into its first
    /// window it is when the clients start.
    fn server(window: FixedWindow, offset: Duration) -> (Arc<Mutex<FixedWindow>>, Caller) {
        let window = Arc::new(Mutex::new(window));
        let (started, calls, desk) = (Instant::now(), AtomicU64::new(0), window.clone());
        let calls = Arc::new(calls);
        let caller = service_fn(move |_: Request<Full<Bytes>>| {
            let (desk, calls) = (desk.clone(), calls.clone());
            async move {
                let way = calls.fetch_add(7, Ordering::Relaxed) % 20;
                tokio::time::sleep(Duration::from_millis(way)).await;
                let admitted = desk.lock().unwrap().admit(offset + started.elapsed());
                Ok::<_, BoxError>(match admitted {
                    Ok(()) => Response::new(Full::default()),
                    Err(until_reset) => too_many_requests(until_reset),
                })
            }
        });
        (window, BoxCloneService::new(caller))
    }

    /// Fails if a request isn't accepted, unless the strategy may lose some.
    async fn ask_for_ever(mut caller: Caller, strategy: Strategy) -> Infallible {
        loop {
            let response = caller
                .ready()
                .await
                .unwrap()
                .call(Request::new(Full::default()))
                .await
                .unwrap();
            assert!(strategy == Strategy::Gate || response.status() == StatusCode::OK);
        }
    }

    /// What the server answers the clients in so many windows.
    async fn served(
        strategy: Strategy,
        (clients, quota): (u32, u32),
        window: Duration,
        offset: Duration,
    ) -> Served {
        let (fixed, bare) = server(FixedWindow::new(quota, window), offset);
        let mut callers = JoinSet::new();
        for seat in seats(clients, quota, window) {
            let caller = strategy.around(bare.clone(), seat);
            for _ in 0..8 {
                callers.spawn(ask_for_ever(caller.clone(), strategy));
            }
        }
        tokio::time::sleep(window * WINDOWS).await;
        assert!(callers.try_join_next().is_none(), "a request was lost");
        callers.shutdown().await;
        fixed.lock().unwrap().served()
    }

    #[tokio::test(start_paused = true)]
    async fn paced_clients_meet_no_spent_window_and_use_95_percent_of_the_quota() {
        for (clients, quota, seconds) in [(4, 100, 1), (3, 100, 1), (1, 7, 2), (8, 1003, 1)] {
            for offset in [0, 333, 990, 999].map(Duration::from_millis) {
                let window = Duration::from_secs(seconds);
                let share = (clients, quota);
                let served = served(Strategy::TokenBucket, share, window, offset).await;
                let case = format!("{clients} clients, {quota} in {seconds} s, offset {offset:?}");
                assert_eq!(served.rejected, 0, "{case}");
                assert!(
                    served.accepted * 20 >= quota * WINDOWS * 19,
                    "{case}: {served:?}"
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_paced_client_meets_no_spent_window_wherever_that_begins() {
        for offset in (0..1000).step_by(5).map(Duration::from_millis) {
            let window = Duration::from_secs(1);
            let served = served(Strategy::TokenBucket, (1, 7), window, offset).await;
            assert_eq!(served.rejected, 0, "offset {offset:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_retry_lose_no_request_however_small_their_quota() {
        for (clients, quota, window) in [(4, 100, 1000), (4, 8, 1000), (3, 50, 500), (2, 2, 5000)] {
            let window = Duration::from_millis(window);
            let share = (clients, quota);
            let served = served(Strategy::Retry, share, window, Duration::ZERO).await;
            assert!(served.accepted > 0 && served.rejected > 0, "{served:?}");
        }
    }

    /// A worker loses what it had on its way when the quota ran out: one request in each window at most.
    #[tokio::test(start_paused = true)]
    async fn clients_behind_a_gate_lose_little_and_leave_little_unused() {
        for (clients, quota, seconds) in [(4, 100, 1), (3, 1000, 1), (1, 200, 2)] {
            let window = Duration::from_secs(seconds);
            let served = served(Strategy::Gate, (clients, quota), window, Duration::ZERO).await;
            let case = format!("{clients} clients, {quota} in {seconds} s: {served:?}");
            assert!(served.rejected <= clients * 8 * WINDOWS, "{case}");
            assert!(served.accepted * 3 >= quota * WINDOWS * 2, "{case}");
        }
    }
}
