//! What a caller and tower's own `RateLimit` and `ConcurrencyLimit` say to each other in tower's
//! tests, said to the backpressure form.
//!
//! All of it holds. Three things differ on purpose, and none of these dialogues shows them:
//!
//! * `RateLimit` counts in windows that begin with the first call; a bucket has a token back as soon
//!   as one has flowed in, and not a window's worth at once. Where tower's test waits for the next
//!   window, a bucket of as many tokens is full as well.
//! * `RateLimit` asks the inner service last but holds nothing meanwhile; here a permit is held, and
//!   lent to others after its shelf life.
//! * A limit of 0 that waits for ever is the limiter's own business: the adapter just waits.

mod probe;

use tokio_test::{assert_pending, assert_ready_ok};
use tower_test::{assert_request_eq, mock};
use tower_throttle_core::{
    BackpressureLayer, Classify, Shared, Verdict,
    track::{Tracked, Untracked},
};

use self::probe::{Slots, Tokens, jump, ms};

/// Learns nothing.
#[derive(Clone)]
struct Deaf;

impl<Res, Err> Classify<Res, Err> for Deaf {
    type Feedback = Option<u32>;

    fn classify(&self, _result: Result<&Res, &Err>) -> Verdict<Option<u32>> {
        Verdict::Known(None)
    }
}

fn at_once(limit: u32) -> BackpressureLayer<Slots, Tracked<Deaf>> {
    BackpressureLayer::new(Shared::new(Slots::new(limit))).track(Tracked::new(Deaf))
}

fn per_100_ms(requests: u32) -> BackpressureLayer<Tokens, Untracked> {
    BackpressureLayer::new(Shared::new(Tokens::new(requests, ms(100) / requests)))
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_is_spent_comes_back() {
    let (mut service, mut server) = mock::spawn_layer(per_100_ms(1));
    assert_ready_ok!(service.poll_ready());
    let response = service.call("one");
    assert_request_eq!(server, "one").send_response("1");
    assert_eq!(response.await.unwrap(), "1");

    assert_pending!(service.poll_ready());
    assert_pending!(server.poll_request());
    jump(ms(101)).await;
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
    let response = service.call("two");
    assert_request_eq!(server, "two").send_response("2");
    assert_eq!(response.await.unwrap(), "2");
}

/// tower once began a new window and went on with what was left of the old one.
#[tokio::test(start_paused = true)]
async fn after_a_pause_the_whole_of_it_is_there() {
    let (mut service, mut server) = mock::spawn_layer(per_100_ms(3));
    assert_ready_ok!(service.poll_ready());
    let response = service.call("one");
    assert_request_eq!(server, "one").send_response("1");
    assert_eq!(response.await.unwrap(), "1");

    jump(ms(100)).await;
    for _ in 0..2 {
        assert_ready_ok!(service.poll_ready());
        let response = service.call("more");
        assert_request_eq!(server, "more").send_response("yes");
        assert_eq!(response.await.unwrap(), "yes");
    }
    assert_ready_ok!(service.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn two_at_once_and_the_third_when_one_is_over() {
    let (mut service, mut server) = mock::spawn_layer(at_once(2));
    assert_ready_ok!(service.poll_ready());
    let first = service.call("one");
    assert_ready_ok!(service.poll_ready());
    let second = service.call("two");
    assert_pending!(service.poll_ready());

    assert_request_eq!(server, "one").send_response("1");
    assert_request_eq!(server, "two").send_response("2");
    assert_pending!(server.poll_request());
    // An answer that nobody has looked at ends no call.
    assert!(!service.is_woken());
    assert_eq!(first.await.unwrap(), "1");
    assert!(service.is_woken());

    assert_ready_ok!(service.poll_ready());
    let third = service.call("three");
    assert_pending!(service.poll_ready());
    assert_eq!(second.await.unwrap(), "2");
    assert!(service.is_woken());
    assert_request_eq!(server, "three").send_response("3");
    assert_eq!(third.await.unwrap(), "3");
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_none_lets_nobody_through() {
    let (mut service, _server) = mock::spawn_layer::<(), (), _>(at_once(0));
    assert_pending!(service.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn a_ready_service_holds_its_place_until_it_has_called() {
    let (mut first, mut server) = mock::spawn_layer(at_once(1));
    let mut second = first.clone();
    assert_ready_ok!(first.poll_ready());
    assert_pending!(second.poll_ready());
    let response = first.call("hello");
    assert_request_eq!(server, "hello").send_response("world");
    assert_pending!(second.poll_ready());
    response.await.unwrap();
    assert_ready_ok!(second.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn a_ready_service_that_is_dropped_gives_its_place_back() {
    let (mut first, _server) = mock::spawn_layer::<(), (), _>(at_once(1));
    let mut second = first.clone();
    assert_ready_ok!(first.poll_ready());
    assert_pending!(second.poll_ready());
    drop(first);
    assert!(second.is_woken());
    assert_ready_ok!(second.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn an_error_ends_a_call_as_well() {
    let (mut first, mut server) = mock::spawn_layer::<_, (), _>(at_once(1));
    let mut second = first.clone();
    assert_ready_ok!(first.poll_ready());
    let response = first.call("hello");
    assert_request_eq!(server, "hello").send_error("boom");
    response.await.unwrap_err();
    assert_ready_ok!(second.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_waited_for_gives_the_place_back() {
    let (mut first, _server) = mock::spawn_layer::<_, (), _>(at_once(1));
    let mut second = first.clone();
    assert_ready_ok!(first.poll_ready());
    let response = first.call("hello");
    assert_pending!(second.poll_ready());
    drop(response);
    assert_ready_ok!(second.poll_ready());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_woken_one_by_one() {
    let (mut first, _server) = mock::spawn_layer::<(), (), _>(at_once(1));
    let (mut second, mut third) = (first.clone(), first.clone());
    assert_ready_ok!(first.poll_ready());
    assert_pending!(second.poll_ready());
    assert_pending!(third.poll_ready());
    drop(first);
    assert!(second.is_woken());
    assert!(!third.is_woken());
    drop(second);
    assert!(third.is_woken());
}
