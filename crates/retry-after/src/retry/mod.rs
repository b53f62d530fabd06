//! Repeats requests that failed, when the server bears it and the request allows it.
//!
//! ```text
//!  attempt  1 ── 503      2 ── 429, Retry-After: 2            3 ── 502         4 ── 200 ──▶ caller
//!  wait            ~~~~~                         ~~~~~~~~~~~~          ~~~~~~~
//!                  0…50 ms                       2…2.5 s               0…200 ms
//!                  own backoff                   as asked, upwards     own backoff
//! ```
//!
//! A [`RetryLayer`] is [`tower::retry::Retry`] with a policy of ours. Every request ends in a response
//! or in an error of the inner service, as it was: with the headers that say when to come back, and
//! [`Attempts`] that tell what was tried and why it was given up.
//!
//! # What is retried
//!
//! What [`RetryOn`] says, up to 3 times: 408, 429, 500, 502, 503, 504, `RESOURCE_EXHAUSTED` and
//! `UNAVAILABLE` of gRPC, and errors. [`RetryLayer::only_throttled`] and
//! [`RetryLayer::around_adaptive`] are presets, [`RetryLayer::classify`] takes a closure.
//!
//! Each retry must be allowed in every respect. In this order:
//!
//! | the retry | else it is given up as |
//! |---|---|
//! | is one of [`max_retries`](RetryLayer::max_retries) | [`Exhausted`](GivenUp::Exhausted) |
//! | isn't forbidden: `x-should-retry: false`, a pushback that is negative or garbage, a spent budget at the server, … | [`Stopped`](GivenUp::Stopped) |
//! | repeats a request that was turned away or never sent, or is [idempotent](RetryLayer::idempotent) | [`NotIdempotent`](GivenUp::NotIdempotent) |
//! | isn't asked to wait longer than [`max_wait`](RetryLayer::max_wait) | [`TooLong`](GivenUp::TooLong) |
//! | begins no later than the [`deadline`](RetryLayer::deadline) | [`Deadline`](GivenUp::Deadline) |
//! | is within the [`budget`](RetryLayer::budget) | [`Budget`](GivenUp::Budget) |
//! | can send the [body](crate::ReplayBody) again | [`Body`](GivenUp::Body) |
//!
//! *Turned away* means 429, 503 with a wait, and the same of gRPC. *Never sent* means a refusal by one
//! of our limiters ([by default](RetryLayer::default_unsent)), or an error that the client had [before it
//! was connected](RetryLayer::unsent). After everything else, a timeout, a 5xx, a connection that broke,
//! the request may have been carried out.
//!
//! # How long it waits
//!
//! As long as was asked for, by a response ([`Signals::wait`](crate::Signals::wait), with its
//! [guard](crate::Signals::guard)) or by a limiter
//! ([`Rejected::retry_after`](tower_throttle_core::Rejected::retry_after)), and spread upwards only; and
//! not less than the own backoff, which has full jitter. A wait of no length needs no timer. The failed
//! response is dropped before the wait, and with it whatever it holds of the connection; an HTTP/1
//! connection is used again only if the client has read the body by then.
//!
//! # Where it stands
//!
//! ```text
//!  caller ─▶ retry ─▶ gate · rate · concurrency ─▶ client
//! ```
//!
//! Outermost, so that each attempt passes the limiters again: a retry is a request like any other.
//! Inside of a limiter, retries would bypass it, and hold its permit while they wait. Where the
//! [gate](crate::RetryAfterLayer) obeys a `Retry-After` as well, both waits pass at the same time.
//!
//! ```
//! use http::{Request, Response};
//! use tokio::time::Instant;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_throttle_retry_after::{RetryLayer, retry::Attempts};
//! use tower_throttle_token_bucket::{Rate, TokenBucketLayer};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), tower_throttle_core::BoxError> {
//! # let answers = std::sync::Arc::new(std::sync::atomic::AtomicU8::new(0));
//! # let http_client = service_fn(move |_: Request<String>| {
//! #     let first = answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
//! #     let response = Response::builder().status(if first { 429 } else { 200 });
//! #     async move { response.header("retry-after", "2").body(()) }
//! # });
//! let client = ServiceBuilder::new()
//!     .layer(RetryLayer::new())
//!     .layer(TokenBucketLayer::new(Rate::per_second(10)))
//!     .service(http_client);
//!
//! let start = Instant::now();
//! let response = client.oneshot(Request::post("/").body("hello".to_owned())?).await?;
//!
//! // It was answered 429 with `Retry-After: 2`, then 200.
//! assert_eq!(response.status(), 200);
//! assert!(start.elapsed().as_secs() >= 2);
//! let attempts = response.extensions().get::<Attempts>().unwrap();
//! assert_eq!(attempts.retries().len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # What follows redirects
//!
//! The rule of what was *never sent* holds for services that send a request once, or not at all. One that
//! sends a second request for the first, as a client that follows redirects, or a limiter inside of such a
//! client, may fail with *connection refused* or a [`Rejected`](tower_throttle_core::Rejected) when the
//! first has been carried out: then a POST would be carried out twice. So follow redirects outside,
//!
//! ```text
//!  caller ─▶ redirects ─▶ retry ─▶ gate · rate · concurrency ─▶ client
//! ```
//!
//! where every hop is a request of its own, with its own retries and its own permit. Where that can't be,
//! as with `reqwest`, which follows redirects by default, either switch that off
//! (`redirect::Policy::none()`), or let nothing count as never sent (`default_unsent(|_| false)`, and no
//! [`unsent`](RetryLayer::unsent)): then only what the server turned away and what is idempotent is
//! repeated.
//!
//! A retry inside of another one is such a service too: its first attempt may have been carried out, and
//! its second refused by a limiter. So let nothing count as never sent for the outer one.
//!
//! # What can be seen
//!
//! A response carries its [`Attempts`]. `tracing` is told, at the level `DEBUG`, of each `retry` (`name`,
//! `attempt`: the number of the one that failed, `backoff`: how long is waited, `cause`) and of each
//! failure that is not retried: `retry_given_up` (`name`, `attempt`, `why`, `cause`). Not of an error of
//! `poll_ready`, which [`tower` keeps from the policy](RetryLayer#errors), and of nothing where no retry is
//! allowed in the first place.
//!
//! # What the head doesn't say
//!
//! A policy sees the head of a response. Where only the body tells that the money is spent, a layer
//! further in can read it and put its [`Signals`](crate::Signals) into the extensions of the response:
//! they count instead of the head.
//!
//! # Why not an error of its own
//!
//! An error that counts attempts would hide the one that callers look for, a
//! [`Rejected`](tower_throttle_core::Rejected) or the client's. So it stays outermost; the attempts are
//! told to `tracing`.

mod attempts;
mod boxed;
mod budget;
mod idempotent;
mod kind;
mod layer;
mod pause;
mod policy;
mod retry_on;
mod session;
mod settings;
mod told;

pub use self::{
    attempts::{Attempts, Failure, GivenUp, Retried},
    boxed::Boxed,
    budget::Budget,
    idempotent::Idempotent,
    layer::RetryLayer,
    pause::Pause,
    policy::RetryPolicy,
    retry_on::RetryOn,
};
