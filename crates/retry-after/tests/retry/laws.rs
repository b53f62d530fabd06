//! What holds for every script of a server.

use std::time::Duration;

use http::{Method, Request};
use proptest::prelude::*;
use tower_throttle_retry_after::{
    RetryLayer,
    retry::{Attempts, Budget},
};

use crate::{
    ms, now, paused, secs, send,
    server::{Reply, Server},
};

/// How the server answers: a status, and how many milliseconds to wait.
type Answer = (u16, Option<u64>);

fn answer() -> impl Strategy<Value = Answer> {
    let status = prop::sample::select(vec![200, 404, 408, 429, 500, 502, 503, 504]);
    (status, prop::option::of(0..200_000_u64))
}

fn reply((status, wait): Answer) -> Reply {
    let millis = wait.map(|wait| wait.to_string());
    let header = millis.as_deref().map(|millis| ("retry-after-ms", millis));
    Reply::of(status, header.as_slice())
}

fn request(post: bool) -> Request<String> {
    let method = if post { Method::POST } else { Method::GET };
    Request::builder()
        .method(method)
        .body(String::new())
        .unwrap()
}

proptest! {
    #[test]
    fn attempts_waits_and_tokens_keep_their_bounds(
        answers in prop::collection::vec(answer(), 1..8),
        max_retries in 0_u32..6,
        deadline in 0_u64..100_000,
        max_wait in 0_u64..200_000,
        tokens in 0_u32..60,
        post in any::<bool>(),
    ) {
        let budget = Budget::new(tokens);
        let layer = RetryLayer::new()
            .max_retries(max_retries)
            .deadline(ms(deadline))
            .max_wait(ms(max_wait))
            .budget(budget.clone());
        let server = Server::new(answers.iter().copied().map(reply));
        let (elapsed, response) = paused(async {
            let start = now();
            let response = send(&layer, server.clone(), request(post)).await.unwrap();
            (now() - start, response)
        });
        let waits = server.waits();
        // Every request ends in the answer to its last attempt.
        let answered = |n: usize| answers[n.min(answers.len() - 1)];
        prop_assert_eq!(response.status().as_u16(), answered(waits.len()).0);
        prop_assert!(server.attempts() <= 1 + max_retries as usize);
        // Timers fire at the next millisecond.
        prop_assert!(elapsed <= ms(deadline) + ms(1) * max_retries);
        for (n, wait) in waits.iter().enumerate() {
            let (status, asked) = answered(n);
            let asked = asked.map_or(Duration::ZERO, ms);
            prop_assert!(*wait >= asked, "{wait:?} after being asked for {asked:?}");
            prop_assert!(*wait <= asked.mul_f64(1.25).max(secs(20)) + ms(1));
            prop_assert!(asked <= ms(max_wait));
            let turned_away = status == 429 || status == 503 && answered(n).1.is_some();
            prop_assert!(turned_away || !post);
        }
        prop_assert!(budget.available() <= tokens);
        let told = response.extensions().get::<Attempts>();
        prop_assert_eq!(told.map_or(0, |told| told.retries().len()), waits.len());
    }
}
