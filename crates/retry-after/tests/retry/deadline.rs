//! The deadline of a request with all its attempts.

use http::{Request, Response};
use tokio::time::sleep;
use tower::{ServiceBuilder, service_fn};
use tower_throttle_core::BoxError;
use tower_throttle_jitter::Jitter;
use tower_throttle_retry_after::{
    Profile, RetryAfterLayer, RetryLayer,
    retry::{Attempts, GivenUp},
};

use crate::{
    exact, get, ms, now, secs, send,
    server::{Reply, Server},
};

/// grpc-go has it as a to-do, and most others look at the clock when the wait is over.
#[tokio::test(start_paused = true)]
async fn the_deadline_is_checked_before_the_wait() {
    let start = now();
    let server = Server::new([Reply::of(429, &[("retry-after", "10")])]);
    let layer = exact().deadline(ms(9_999));
    let response = send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!((server.attempts(), now()), (1, start));
    let attempts = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(attempts.given_up(), Some(GivenUp::Deadline));
    assert_eq!(response.headers()["retry-after"], "10");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_may_begin_at_the_deadline_but_not_later() {
    for (deadline, attempts) in [(999, 1), (1000, 2), (2999, 2), (3000, 3), (7000, 4)] {
        let server = Server::always(429);
        send(&exact().deadline(ms(deadline)), server.clone(), get())
            .await
            .unwrap();
        assert_eq!(server.attempts(), attempts, "{deadline} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_that_attempts_take_counts() {
    let slow = service_fn(|_: Request<String>| async {
        sleep(secs(4)).await;
        Ok::<_, BoxError>(Response::builder().status(500).body(())?)
    });
    let start = now();
    send(&exact().deadline(secs(5)), slow, get()).await.unwrap();
    assert_eq!(now() - start, ms(4050 + 4000));
}

#[tokio::test(start_paused = true)]
async fn every_request_has_a_deadline_of_its_own() {
    let layer = exact().deadline(secs(1));
    for _ in 0..3 {
        let server = Server::new([429, 200].map(Reply::status));
        let response = send(&layer, server, get()).await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_nothing_allows_what_needs_no_wait() {
    let layer = exact()
        .deadline(secs(0))
        .backoff(tower_throttle_jitter::Backoff::new(secs(0)));
    for (status, attempts) in [(500, 4), (429, 1)] {
        let server = Server::always(status);
        send(&layer, server.clone(), get()).await.unwrap();
        assert_eq!(server.attempts(), attempts);
    }
}

/// The first version looked at its own wait only, which is none if a limiter waits in its place: the
/// second attempt began after a minute.
#[tokio::test(start_paused = true)]
async fn the_wait_of_a_gate_further_in_counts() {
    for (deadline, attempts) in [(secs(60), 2), (ms(59_999), 1)] {
        let retry = RetryLayer::around_adaptive().deadline(deadline);
        let gate = RetryAfterLayer::new().jitter(Jitter::none());
        let layer = ServiceBuilder::new().layer(retry).layer(gate).into_inner();
        let server = Server::new([Reply::of(429, &[("retry-after", "60")]), Reply::status(200)]);
        let start = now();
        send(&layer, server.clone(), get()).await.unwrap();
        assert_eq!(server.attempts(), attempts);
        assert_eq!(
            now() - start,
            if attempts == 2 { secs(60) } else { secs(0) }
        );
    }
}

/// The rule of the AWS profile keeps a wait within 5 s of the own backoff, and the first version checked
/// only that: a gate knows no such rule, so that the last attempt began a minute later.
#[tokio::test(start_paused = true)]
async fn under_the_aws_profile_the_deadline_is_checked_against_what_a_gate_would_wait() {
    let told = Reply::of(429, &[("x-amz-retry-after", "60000")]);
    for layer in [RetryLayer::around_adaptive(), exact()] {
        let layer = layer.profile(Profile::aws());
        for (deadline, attempts) in [(ms(59_999), 1), (secs(60), 2)] {
            let gate = RetryAfterLayer::new().jitter(Jitter::none());
            let layer = ServiceBuilder::new()
                .layer(layer.clone().deadline(deadline))
                .layer(gate.profile(Profile::aws()))
                .into_inner();
            let server = Server::new([told.clone(), Reply::status(200)]);
            let start = now();
            send(&layer, server.clone(), get()).await.unwrap();
            assert_eq!(server.attempts(), attempts);
            assert!(now() - start <= deadline);
        }
    }
}
