//! Pauses that are longer than anybody likes to wait.

use tower::Layer;
use tower_throttle_core::{Limiter, Rejected, Wait, Why};
use tower_throttle_retry_after::{OverCap, RetryAfterLayer};

use crate::world::{Server, ask, exact, exact_layer, hear, ms, now, response, secs, seeded, wait};

#[test]
fn a_pause_of_exactly_the_cap_is_obeyed_whatever_is_over_it() {
    for over_cap in [OverCap::Surface, OverCap::Clamp, OverCap::Honor] {
        let (mut gate, t0) = (exact().over_cap(over_cap), now());
        hear(&mut gate, secs(120), t0);
        assert_eq!(gate.check(&(), t0), Wait::Until(t0 + secs(120)));
    }
}

#[test]
fn a_longer_one_refuses_clamps_or_is_honoured() {
    let t0 = now();
    for (over_cap, closed) in [
        (OverCap::Surface, Wait::Refuse(t0 + secs(121))),
        (OverCap::Clamp, Wait::Until(t0 + secs(120))),
        (OverCap::Honor, Wait::Until(t0 + secs(121))),
    ] {
        let mut gate = exact().over_cap(over_cap);
        hear(&mut gate, secs(121), t0);
        assert_eq!(gate.check(&(), t0), closed);
    }
}

#[test]
fn a_gate_that_refuses_waits_again_once_the_pause_is_over() {
    let (mut gate, t0) = (seeded(7), now());
    hear(&mut gate, secs(1000), t0);
    let end = t0 + secs(1000);
    let opens_at = gate.resume_at(t0).unwrap();
    assert!(opens_at > end);
    assert_eq!(gate.check(&(), end - ms(1)), Wait::Refuse(opens_at));
    assert_eq!(gate.check(&(), end), Wait::Until(opens_at));
}

#[test]
fn a_shorter_word_does_not_end_a_refusal() {
    let (mut gate, t0) = (exact(), now());
    hear(&mut gate, secs(300), t0);
    hear(&mut gate, secs(5), t0);
    assert_eq!(gate.check(&(), t0), Wait::Refuse(t0 + secs(300)));
}

/// The first version refused until the end of whatever was longest, also if that was a pause by hand,
/// which nobody is refused for.
#[test]
fn a_refusal_ends_with_the_longest_word_over_the_cap_and_with_nothing_else() {
    let t0 = now();
    let end = t0 + secs(130);
    for word_first in [true, false] {
        let mut gate = exact();
        for word in [word_first, !word_first] {
            match word {
                true => hear(&mut gate, secs(130), t0),
                false => gate.pause(secs(3600), t0),
            }
        }
        let opens_at = t0 + secs(3600);
        assert_eq!(gate.check(&(), end - ms(1)), Wait::Refuse(opens_at));
        assert_eq!(gate.check(&(), end), Wait::Until(opens_at));
    }
    let mut gate = exact();
    for (pause, end) in [(300, 300), (130, 300), (10, 300), (400, 400)] {
        hear(&mut gate, secs(pause), t0);
        assert_eq!(gate.check(&(), t0), Wait::Refuse(t0 + secs(end)), "{pause}");
    }
}

// Guards against the stkai SDK: a Retry-After above 60 s made it retry after half a second.
#[tokio::test(start_paused = true)]
async fn requests_that_come_are_refused_and_told_when_to_come_back() {
    let start = now();
    let server = Server::saying([wait("300")]);
    let service = exact_layer().layer(server.service());
    assert_eq!(ask(&service).await.unwrap(), 429);
    tokio::time::advance(secs(100)).await;

    let rejected = ask(&service).await.unwrap_err();
    let rejected = rejected.downcast_ref::<Rejected>().unwrap();
    assert_eq!(rejected.why(), Why::Closed);
    assert_eq!(rejected.retry_after(), Some(secs(200)));
    assert!(rejected.is_retryable());
    assert_eq!(server.asked(start), [0]);

    tokio::time::advance(secs(200)).await;
    assert_eq!(ask(&service).await.unwrap(), 200);
}

/// The first version told them the end of the pause, and refused them again: the gate opens later than
/// that by what its jitter draws.
#[tokio::test(start_paused = true)]
async fn whoever_comes_back_when_he_was_told_passes() {
    for seed in 0..100 {
        let server = Server::saying([wait("600")]);
        let layer = RetryAfterLayer::new().max_wait(secs(0)).seed(seed);
        let service = layer.layer(server.service());
        assert_eq!(ask(&service).await.unwrap(), 429);
        let rejected = ask(&service).await.unwrap_err();
        let rejected = rejected.downcast_ref::<Rejected>().unwrap();
        tokio::time::sleep(rejected.retry_after().unwrap()).await;
        assert_eq!(ask(&service).await.unwrap(), 200, "{seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_are_refused_as_soon_as_the_server_asks_for_so_long() {
    let start = now();
    let layer = exact_layer();
    let server = Server::saying([wait("300")]).after(secs(2));
    let service = layer.layer(server.service());
    let (answer, queued) = tokio::join!(ask(&service), async {
        tokio::time::sleep(secs(1)).await;
        layer.limiter().pause(secs(60));
        let refused = ask(&service).await.unwrap_err();
        (now() - start, refused)
    });
    assert_eq!(answer.unwrap(), 429);
    let rejected = queued.1.downcast_ref::<Rejected>().unwrap();
    assert_eq!((queued.0, rejected.why()), (ms(2000), Why::Closed));
    assert_eq!(rejected.waited(), secs(1));
    assert_eq!(rejected.retry_after(), Some(secs(300)));
}

#[tokio::test(start_paused = true)]
async fn with_clamp_everybody_waits_for_the_cap_and_with_honor_for_all_of_it() {
    for (over_cap, waited) in [(OverCap::Clamp, 10_000), (OverCap::Honor, 300_000)] {
        let start = now();
        let server = Server::saying([wait("300")]);
        let layer = exact_layer().cap(secs(10)).over_cap(over_cap);
        let service = layer.layer(server.service());
        ask(&service).await.unwrap();
        assert_eq!(ask(&service).await.unwrap(), 200);
        assert_eq!(server.asked(start), [0, waited]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_can_be_a_response() {
    let server = Server::saying([wait("300")]);
    let layer = exact_layer().on_reject(|rejected| {
        let seconds = rejected.retry_after().unwrap().as_secs().to_string();
        response(503, &[("retry-after", &seconds)])
    });
    let service = layer.layer(server.service());
    let Ok(first) = ask(&service).await;
    let Ok(second) = ask(&service).await;
    assert_eq!((first.as_u16(), second.as_u16()), (429, 503));
}

#[tokio::test(start_paused = true)]
async fn with_backpressure_nobody_is_refused() {
    let start = now();
    let server = Server::saying([wait("300")]);
    let service = exact_layer().backpressure().layer(server.service());
    let Ok(_) = ask(&service).await;
    let Ok(status) = ask(&service).await;
    assert_eq!(
        (status.as_u16(), server.asked(start)),
        (200, vec![0, 300_000])
    );
}
