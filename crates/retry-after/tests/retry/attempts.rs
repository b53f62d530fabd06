//! What can be seen of the retries.

use http::StatusCode;
use tower_throttle_retry_after::retry::{Attempts, Failure, GivenUp};

use crate::{
    exact, get, ms, secs, send,
    server::{Reply, Server},
};

#[tokio::test(start_paused = true)]
async fn a_response_tells_what_it_took() {
    let server = Server::new([
        Reply::status(503),
        Reply::broken(),
        Reply::of(
            200,
            &[("grpc-status", "8"), ("grpc-retry-pushback-ms", "9000")],
        ),
        Reply::status(200),
    ]);
    let response = send(&exact(), server, get()).await.unwrap();
    let attempts = response.extensions().get::<Attempts>().unwrap();
    let told: Vec<_> = attempts
        .retries()
        .iter()
        .map(|retried| (retried.failure().clone(), retried.wait()))
        .collect();
    assert_eq!(
        told,
        [
            (Failure::Status(StatusCode::SERVICE_UNAVAILABLE), ms(50)),
            (Failure::Error("the connection broke".into()), ms(100)),
            (Failure::Grpc(8), secs(9)),
        ]
    );
    assert_eq!(attempts.given_up(), None);
}

#[tokio::test(start_paused = true)]
async fn a_response_at_the_first_attempt_has_nothing_to_tell() {
    for status in [200, 404] {
        let response = send(&exact(), Server::always(status), get()).await.unwrap();
        assert!(response.extensions().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_not_retried_any_more_tells_why() {
    let forbidden = Reply::of(429, &[("x-should-retry", "false")]);
    let too_long = Reply::of(429, &[("retry-after", "3600")]);
    for (reply, retries, given_up) in [
        (Reply::status(500), 3, GivenUp::Exhausted),
        (forbidden, 0, GivenUp::Stopped),
        (too_long, 0, GivenUp::TooLong),
    ] {
        let response = send(&exact(), Server::new([reply]), get()).await.unwrap();
        let attempts = response.extensions().get::<Attempts>().unwrap();
        assert_eq!(attempts.retries().len(), retries);
        assert_eq!(attempts.given_up(), Some(given_up));
    }
}
