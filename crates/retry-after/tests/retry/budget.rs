//! How much all requests together may retry.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use tower::retry::budget::Budget as _;
use tower_throttle_retry_after::retry::{Attempts, Budget, GivenUp};

use crate::{
    exact, get, send,
    server::{Reply, Server},
};

#[tokio::test(start_paused = true)]
async fn a_retry_costs_14_tokens_or_5_when_throttled() {
    for (status, left) in [(500, 500 - 3 * 14), (429, 500 - 3 * 5)] {
        let budget = Budget::default();
        let layer = exact().budget(budget.clone());
        send(&layer, Server::always(status), get()).await.unwrap();
        assert_eq!(budget.available(), left, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_brings_1_or_what_its_last_retry_cost() {
    let budget = Budget::default();
    let layer = exact().budget(budget.clone());
    send(&layer, Server::always(500), get()).await.unwrap();
    assert_eq!(budget.available(), 458);
    send(&layer, Server::always(200), get()).await.unwrap();
    assert_eq!(budget.available(), 459);
    let server = Server::new([500, 429, 200].map(Reply::status));
    send(&layer, server, get()).await.unwrap();
    assert_eq!(budget.available(), 459 - 14 - 5 + 5);
    let server = Server::new([429, 500, 200].map(Reply::status));
    send(&layer, server, get()).await.unwrap();
    assert_eq!(budget.available(), 445 - 5 - 14 + 14);
    // It says nothing about how the server bears up.
    send(&layer, Server::always(404), get()).await.unwrap();
    assert_eq!(budget.available(), 440);
}

#[tokio::test(start_paused = true)]
async fn there_are_never_more_tokens_than_at_the_start() {
    let budget = Budget::new(20);
    let layer = exact().budget(budget.clone());
    for _ in 0..3 {
        let server = Server::new([500, 200].map(Reply::status));
        send(&layer, server, get()).await.unwrap();
        send(&layer, Server::always(200), get()).await.unwrap();
    }
    assert_eq!(budget.available(), 20);
    budget.clone().gain(u32::MAX).deposit();
    assert_eq!(budget.available(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_leaves_the_failure_to_the_caller() {
    let layer = exact().budget(Budget::new(13));
    let server = Server::always(500);
    let response = send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!((response.status().as_u16(), server.attempts()), (500, 1));
    let attempts = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(attempts.given_up(), Some(GivenUp::Budget));
    let server = Server::always(429);
    send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.attempts(), 3, "13 tokens are two throttled retries");
}

/// In an outage 500 tokens are 35 retries, however many requests there are.
#[tokio::test(start_paused = true)]
async fn clones_of_a_layer_share_its_budget() {
    let layer = exact();
    let mut attempts = 0;
    for _ in 0..1000 {
        let server = Server::always(503);
        send(&layer.clone(), server.clone(), get()).await.unwrap();
        attempts += server.attempts();
    }
    assert_eq!(attempts, 1000 + 500 / 14);
}

#[tokio::test(start_paused = true)]
async fn a_setting_of_the_layer_keeps_the_budget_and_another_layer_has_another() {
    let layer = exact();
    for layer in [
        layer.clone().max_retries(1),
        layer.clone().deadline(crate::secs(60)),
    ] {
        while send(&layer, Server::always(500), get())
            .await
            .is_ok_and(|response| given_up(&response) == GivenUp::Exhausted)
        {}
    }
    let server = Server::always(500);
    send(&layer, server.clone(), get()).await.unwrap();
    assert_eq!(server.attempts(), 1);
    let server = Server::always(500);
    send(&exact(), server.clone(), get()).await.unwrap();
    assert_eq!(server.attempts(), 4);
}

fn given_up(response: &http::Response<()>) -> GivenUp {
    let attempts = response.extensions().get::<Attempts>().unwrap();
    attempts.given_up().unwrap()
}

/// tower's `TpsBudget` computed `(1 / share) as isize` (tower#857): 30 % came out as 33 %, 40 % as 50 %,
/// and 60 % and more as 100 %.
#[test]
fn every_share_of_retries_is_kept_to_the_token() {
    for percent in 1..=100 {
        let budget = Budget::new(1_000_000).transient(100).gain(percent);
        while budget.withdraw() {}
        (0..10_000).for_each(|_| budget.deposit());
        let retries = (0..).take_while(|_| budget.withdraw()).count();
        assert_eq!(retries, percent as usize * 100, "{percent} %");
    }
}

/// tower's `TpsBudget` checked and subtracted in two steps, so that two threads could take one token;
/// and it counted through the seconds of an idle month one by one, under a lock.
#[test]
fn threads_never_take_more_than_there_is() {
    let budget = Budget::new(10_000);
    let taken = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while budget.withdraw() {
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(taken.into_inner(), 10_000 / 14);
    assert_eq!(budget.available(), 10_000 % 14);
}

#[test]
fn a_budget_without_costs_is_never_spent() {
    let budget = Budget::unlimited();
    assert!((0..1000).all(|_| budget.withdraw()));
}

#[test]
fn clones_share_the_tokens_at_costs_of_their_own() {
    let dear = Budget::new(10).transient(10);
    let cheap = dear.clone().transient(1);
    assert!(cheap.withdraw() && !dear.withdraw());
    cheap.deposit();
    assert!(dear.withdraw());
    assert_eq!((dear.available(), cheap.available()), (0, 0));
}
