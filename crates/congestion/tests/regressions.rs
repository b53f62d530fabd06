//! What probes, settings and declarations may not do to those who wait. Each comment says what went wrong.
#![expect(
    clippy::disallowed_methods,
    reason = "a test tells what the time is, and it stands still"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use http::{Request, Response, StatusCode};
use tokio::{task::JoinSet, time};
use tower::{Layer, ServiceExt, service_fn};
use tower_throttle_congestion::{
    Bounds, Congestion, CongestionLayer, Estimator, Gradient, LittlesLaw, Sample, SharedCongestion,
};
use tower_throttle_core::{Outcome, hold::Body, now};

mod support;

use support::{ms, secs, work, work_with};

/// The same with one service of a pool (tower's `Balance` say) that is ready, and not called.
#[tokio::test(start_paused = true)]
async fn a_probe_ends_though_one_service_is_ready_and_idle() {
    let layer = CongestionLayer::with(Gradient::new())
        .start(5)
        .max_limit(5)
        .seed(1);
    let limit = layer.limiter().clone();
    let server = service_fn(|_: Request<()>| async {
        time::sleep(ms(100)).await;
        Ok::<_, std::io::Error>(Response::new(()))
    });
    let client = layer.backpressure().layer(server);
    let mut idle = client.clone();
    idle.ready().await.unwrap();
    work(&limit, 4, ms(100), secs(60)).await;

    let mut client = client;
    let passed = time::timeout(secs(3600), client.ready()).await;

    assert!(passed.is_ok(), "limit {}", limit.limit());
}

/// A probe of a server that answers in 10 ms; one answer of the probe takes a minute. Then nobody is sent
/// for up to two minutes more.
#[tokio::test(start_paused = true)]
async fn one_slow_answer_to_a_probe_does_not_stop_everybody() {
    let mut worst = Duration::ZERO;
    for seed in 0..10 {
        let limit = SharedCongestion::with(Gradient::new())
            .start(3)
            .max_limit(3)
            .seed(seed);
        work(&limit, 3, ms(10), ms(4_990)).await;
        // Goes on until a probe begins.
        while limit
            .shared()
            .update(|it, _| it.estimator().probe().is_none())
        {
            work(&limit, 3, ms(10), ms(25)).await;
        }
        let call = limit.acquire().await.unwrap().spend();
        time::sleep(secs(60)).await;
        call.complete(Outcome::Failed);
        let start = time::Instant::now();
        drop(limit.acquire().await.unwrap());
        worst = worst.max(start.elapsed());
    }
    assert!(worst < secs(10), "nobody was sent for {worst:?}");
}

/// A request each 6 s, and each is refused: every one begins a probe or gives one up, so no window closes.
#[tokio::test(start_paused = true)]
async fn drops_at_low_traffic_are_learnt() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    let mut causes = Vec::new();
    for _ in 0..100 {
        let call = limit.acquire().await.unwrap().spend();
        time::sleep(ms(100)).await;
        call.complete(Outcome::Throttled);
        causes.push(limit.last_cause());
        time::sleep(ms(5_900)).await;
    }
    let told = causes.contains(&Some(tower_throttle_congestion::Cause::Throttled));
    assert!(
        told,
        "100 calls of 100 were throttled; limit {}",
        limit.limit()
    );
}

/// A request each second, of 10 ms.
#[tokio::test(start_paused = true)]
async fn a_baseline_is_found_at_one_request_per_second() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    for _ in 0..1200 {
        let call = limit.acquire().await.unwrap().spend();
        time::sleep(ms(10)).await;
        call.complete(Outcome::Succeeded);
        time::sleep(ms(990)).await;
    }
    assert!(limit.baseline().is_some(), "none after twenty minutes");
}

/// A request each minute, of 1 s.
#[tokio::test(start_paused = true)]
async fn a_baseline_is_found_at_one_request_per_minute() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    for _ in 0..240 {
        let call = limit.acquire().await.unwrap().spend();
        time::sleep(ms(1000)).await;
        call.complete(Outcome::Succeeded);
        time::sleep(secs(59)).await;
    }
    assert!(limit.baseline().is_some(), "none after four hours");
}

/// Calls of a minute, of which the server would take any number. There is never a baseline.
#[tokio::test(start_paused = true)]
async fn long_calls_find_a_limit() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    work(&limit, 50, secs(60), secs(6 * 3600)).await;

    assert!(
        limit.limit() >= 20 && limit.baseline().is_some(),
        "limit {}, baseline {:?} after six hours",
        limit.limit(),
        limit.baseline()
    );
}

/// A server with 20 slots and a queue; a floor of 50. The probe doesn't go below the floor, reads the queue
/// as baseline, and the limit climbs from there.
#[tokio::test(start_paused = true)]
async fn a_probe_goes_below_the_floor() {
    let limit = SharedCongestion::with(Gradient::new())
        .min_limit(50)
        .start(50)
        .seed(1);
    work_with(&limit, 250, secs(300), |in_flight| {
        let rounds = (f64::from(in_flight) / 20.0).max(1.0);
        (ms(100).mul_f64(rounds), Outcome::Succeeded)
    })
    .await;

    let (found, baseline) = (limit.limit(), limit.baseline());
    assert!(
        found <= 55 && baseline.unwrap() < ms(150),
        "limit {found}, baseline {baseline:?}; no-load latency is 100 ms"
    );
}

/// Set while a probe is under way, the limit is forgotten when the probe is over.
#[tokio::test(start_paused = true)]
async fn a_limit_set_during_a_probe_holds() {
    let limit = SharedCongestion::with(Gradient::new())
        .max_limit(60)
        .seed(1);
    let watch = limit.clone();
    let worst = Arc::new(AtomicU32::new(u32::MAX));
    let seen = Arc::clone(&worst);
    let look = tokio::spawn(async move {
        time::sleep(secs(60)).await; // the limit is 60 by then; the next probe is at 80 s
        assert_eq!(watch.limit(), 60);
        while watch
            .shared()
            .update(|it, _| it.estimator().probe().is_none())
        {
            time::sleep(ms(5)).await;
        }
        watch.set_limit(2); // a human has seen that the server suffers
        let at = time::Instant::now();
        let mut worst = 0;
        // The probe would have been over after 0.4 s; from 2 the limit climbs again.
        while at.elapsed() < ms(600) {
            worst = worst.max(watch.limit());
            time::sleep(ms(5)).await;
        }
        seen.store(worst, Ordering::Relaxed);
    });
    work(&limit, 100, ms(100), secs(100)).await;
    look.await.unwrap();
    let worst = worst.load(Ordering::Relaxed);
    assert!(worst <= 3, "set to 2, and soon it was {worst}");
}

/// Twenty calls were sent under a limit of 20, all fail; meanwhile the limit was set to 10.
#[tokio::test(start_paused = true)]
async fn calls_sent_under_another_limit_say_nothing_about_a_limit_that_was_set() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1);
    let calls: Vec<_> = (0..20)
        .map(|_| limit.try_acquire().unwrap().spend())
        .collect();
    time::sleep(ms(500)).await;
    limit.set_limit(10);
    for call in calls {
        call.complete(Outcome::Throttled);
    }
    assert_eq!(limit.limit(), 10, "{:?}", limit.last_cause());
}

#[test]
fn the_longest_latency_does_not_panic() {
    let mut law = LittlesLaw::new();
    law.record(Duration::MAX, now());
}

/// The fields are public.
#[test]
fn bounds_that_were_crossed_do_not_panic() {
    let mut bounds = Bounds::new(1, 10);
    bounds.min = 20;
    assert!(bounds.clamp(15.0) >= 10.0);
}

/// One call a second of 100 ms to a healthy server with room for 20, and none may wait.
#[tokio::test(start_paused = true)]
async fn a_probe_refuses_nobody_where_there_is_room() {
    let layer = CongestionLayer::with(Gradient::new())
        .max_wait(Duration::ZERO)
        .seed(1);
    let layer = layer.on_reject(|_| {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    });
    let server = service_fn(|_: Request<()>| async {
        time::sleep(ms(1000)).await;
        Ok::<_, std::convert::Infallible>(Response::new(()))
    });
    let client = layer.layer(server);
    let mut calls = JoinSet::new();
    for i in 0..3000_u64 {
        calls.spawn(client.clone().oneshot(Request::new(())));
        time::sleep(ms(300 + (i * 7919) % 400)).await;
    }
    let mut refused = 0;
    while let Some(call) = calls.join_next().await {
        refused += u32::from(call.unwrap().unwrap().status() == StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(refused, 0, "of 3000, two at once on average");
}

#[test]
fn a_start_may_be_said_before_the_bound_that_it_needs() {
    let one = Congestion::new().max_limit(500).start(300).limit();
    let other = Congestion::new().start(300).max_limit(500).limit();
    assert_eq!(one, other);
}

#[test]
fn a_bound_that_was_changed_back_leaves_the_start() {
    let limit = Congestion::new().max_limit(5).max_limit(100).limit();
    assert_eq!(limit, 20);
}

/// An instant that all agree on may lie ahead: the next full hour.
#[tokio::test(start_paused = true)]
async fn a_meeting_may_lie_ahead() {
    let at: Instant = now() + secs(3600);
    let limit = SharedCongestion::with(Gradient::new().meeting(at)).seed(1);
    work(&limit, 50, ms(100), secs(600)).await;
    assert!(
        limit.baseline().is_some(),
        "none in ten minutes, limit {}",
        limit.limit()
    );
}

#[cfg(feature = "signals")]
mod heed {
    use tower_throttle_congestion::Heed;
    use tower_throttle_core::{Classify, HttpOutcome};

    use super::*;

    fn declares(slots: u32) -> Response<()> {
        let mut response = Response::new(());
        let policy = format!(r#""slots";q={slots};qu="concurrent-requests""#);
        let headers = response.headers_mut();
        headers.insert("ratelimit-policy", policy.parse().unwrap());
        response
    }

    fn hear(heed: &Heed<HttpOutcome>, response: &Response<()>) {
        let _ = heed.classify(Ok::<_, &std::io::Error>(response));
    }

    /// Somebody lifts the ceiling; the server says again that there is one.
    #[test]
    fn what_is_declared_again_holds_again() {
        let limit = SharedCongestion::with(Gradient::new()).seed(1);
        let heed = Heed::new(HttpOutcome, &limit);
        hear(&heed, &declares(5));
        assert_eq!(limit.limit(), 5);
        limit.set_ceiling(None);
        limit.set_limit(20);
        hear(&heed, &declares(5));
        assert_eq!(limit.limit(), 5);
    }

    /// Two layers share a limiter.
    #[test]
    fn the_latest_declaration_counts_whoever_hears_it() {
        let limit = SharedCongestion::with(Gradient::new()).seed(1);
        let one = Heed::new(HttpOutcome, &limit);
        let other = Heed::new(HttpOutcome, &limit);
        hear(&one, &declares(5));
        hear(&other, &declares(10));
        hear(&one, &declares(5));
        assert_eq!(limit.limit(), 5);
        limit.set_limit(10);
        assert_eq!(limit.limit(), 5);
    }

    /// A ceiling that is lowered and raised again within a second.
    #[test]
    fn a_ceiling_that_is_raised_again_gives_the_limit_back() {
        let limit = SharedCongestion::with(Gradient::new()).seed(1);
        let heed = Heed::new(HttpOutcome, &limit);
        hear(&heed, &declares(0));
        hear(&heed, &declares(20));
        assert_eq!(limit.limit(), 20);
    }
}

/// How long it took until it was given up was taken for its latency.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_given_up_says_nothing_about_the_server() {
    let layer = CongestionLayer::with(Gradient::new()).hold(Body).seed(1);
    let limit = layer.limiter().clone();
    let server = service_fn(|_: Request<()>| async {
        Ok::<_, std::convert::Infallible>(Response::new("long".to_owned()))
    });
    let client = layer.layer(server);
    for _ in 0..1000 {
        let response = client.clone().oneshot(Request::new(())).await.unwrap();
        time::sleep(ms(10)).await;
        drop(response);
    }
    assert_eq!((limit.in_flight(), limit.baseline()), (0, None));
}

/// Each lowering began a new era, and nothing was ever learnt.
#[tokio::test(start_paused = true)]
async fn a_ceiling_that_wavers_does_not_stop_learning() {
    let limit = SharedCongestion::with(Gradient::new()).seed(1).start(100);
    let mut workers = JoinSet::new();
    for i in 0..50_u64 {
        let limit = limit.clone();
        workers.spawn(async move {
            for x in i.. {
                let call = limit.acquire().await.unwrap().spend();
                time::sleep(ms(100 + x % 10)).await;
                limit.set_ceiling(Some(if x % 2 == 0 { 49 } else { 50 }));
                call.complete(Outcome::Failed);
            }
        });
    }
    time::sleep(secs(60)).await;
    assert!(limit.limit() < 10, "{}", limit.limit());
}

/// The time between such instants was not a multiple of the time between all dates.
#[test]
fn dates_are_the_same_in_every_period_of_the_clock() {
    let begin: Instant = now() + secs(1_000_000);
    let dates = |meeting: Instant| {
        let mut gradient = Gradient::new().meeting(meeting);
        gradient.seed(1);
        let mut dates = Vec::new();
        for step in 0..30_000_u32 {
            let at = begin + step * ms(10);
            if gradient.probe().is_some_and(|probe| at >= probe.ends_at) {
                gradient.end_probe(at);
            }
            let before = gradient.probe().is_some();
            let sample = Sample::new(at - ms(400), at, 20, Outcome::Succeeded);
            let _ = gradient.learn(&sample, 20.0, Bounds::new(1, 20));
            if !before && gradient.probe().is_some() {
                dates.push(at - begin);
            }
        }
        dates
    };
    let meeting = begin - secs(7);

    assert_eq!(dates(meeting), dates(meeting - secs(122_880)));
    assert_eq!(dates(meeting), dates(meeting + secs(2 * 122_880)));
    assert!(dates(meeting).len() > 4);
}
