//! The retries of stkai: which statuses, how long a wait, how many attempts, and its `Retry-After`.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::RETRY_AFTER};
use serde::Deserialize;
use serde_json::Value;
use tokio::{runtime, sync::mpsc, time::Instant};
use tower::{Layer, ServiceExt, service_fn};
use tower_throttle_core::{BoxError, Outcome};
use tower_throttle_jitter::{Backoff, Jitter};
use tower_throttle_retry_after::{
    Profile, RetryLayer, Signals,
    retry::{Budget, RetryOn},
};
use tower_throttle_token_bucket::{Rate, SharedBucket};

use super::{part, same};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    header: String,
    cap: f64,
}

pub(crate) fn after(case: &Value) -> Result<(), String> {
    let (given, expect): (Header, Option<f64>) = (part(case, "given")?, part(case, "expect")?);
    let value =
        HeaderValue::from_bytes(given.header.as_bytes()).map_err(|error| error.to_string())?;
    let headers = HeaderMap::from_iter([(RETRY_AFTER, value)]);
    let (status, profile) = (StatusCode::TOO_MANY_REQUESTS, Profile::generic());
    let signals = Signals::read(&headers, status, &profile, UNIX_EPOCH);
    let cap = Duration::try_from_secs_f64(given.cap).map_err(|error| error.to_string())?;
    let within = !signals.over_cap(cap);
    match (signals.retry_after().filter(|_| within), expect) {
        (None, None) => Ok(()),
        (Some(wait), Some(expect)) => same("wait", wait.as_secs_f64(), expect, 0.0),
        (wait, expect) => Err(format!("{wait:?} instead of {expect:?}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    error: Kind,
    status: Option<u16>,
    retry_after: Option<String>,
    /// Which attempt failed so, counted from 1.
    attempt: u32,
    initial_delay: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Http,
    ServerSide,
    TokenTimeout,
    Connection,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    wait_before_jitter: f64,
}

pub(crate) fn wait(case: &Value) -> Result<(), String> {
    let (given, expect): (Failure, Wait) = (part(case, "given")?, part(case, "expect")?);
    let retry = retry(given.attempt, given.initial_delay)?;
    let run = Run::of(&retry, move |_| given.reply());
    let wait = run.waits.last().ok_or("not retried")?;
    same("wait", *wait, expect.wait_before_jitter, 0.0)
}

impl Failure {
    fn reply(&self) -> Result<Response<()>, BoxError> {
        match self.error {
            Kind::Http | Kind::ServerSide => {
                let mut response = Response::builder().status(self.status.unwrap_or(200));
                if let Some(retry_after) = &self.retry_after {
                    response = response.header(RETRY_AFTER, retry_after);
                }
                Ok(response.body(())?)
            }
            Kind::TokenTimeout => {
                let empty = SharedBucket::new(Rate::per_second(1000)).initial_level(0);
                let refused = empty.try_acquire(1).map(drop);
                Err(refused.err().ok_or("it had a token")?.into())
            }
            Kind::Connection => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    status: u16,
}

pub(crate) fn status(case: &Value) -> Result<(), String> {
    let (given, expect): (Status, bool) = (part(case, "given")?, part(case, "expect")?);
    let run = Run::of(&retry(1, 0.0)?, move |_| {
        Ok(Response::builder().status(given.status).body(())?)
    });
    match run.calls == 2 {
        retried if retried == expect => Ok(()),
        retried => Err(format!("retried: {retried}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Loop {
    max_retries: u32,
    fail_first: u32,
    #[serde(default)]
    initial_delay: f64,
    #[serde(default = "yes")]
    retryable: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Looped {
    calls: u32,
    sleeps: Vec<f64>,
    outcome: String,
}

#[derive(Debug)]
struct ValueError;

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no good")
    }
}

impl std::error::Error for ValueError {}

pub(crate) fn repeated(case: &Value) -> Result<(), String> {
    let (given, expect): (Loop, Looped) = (part(case, "given")?, part(case, "expect")?);
    let retryable = given.retryable;
    let retry = retry(given.max_retries, given.initial_delay)?.classify(
        move |result: Result<&Response<()>, &BoxError>| match result {
            Err(_) if !retryable => Outcome::Ignored,
            result => RetryOn::default().outcome(result),
        },
    );
    let run = Run::of(&retry, move |call| {
        if call < given.fail_first {
            return Err(ValueError.into());
        }
        Ok(Response::new(()))
    });
    if (run.calls, &run.waits) != (expect.calls, &expect.sleeps) {
        return Err(format!("{} calls after {:?}", run.calls, run.waits));
    }
    match run.outcome() {
        outcome if outcome == expect.outcome => Ok(()),
        outcome => Err(outcome.into()),
    }
}

/// So many retries, with waits that double from this one, are not spread and have no cap.
fn retry(max_retries: u32, initial_delay: f64) -> Result<RetryLayer, String> {
    let delay = Duration::try_from_secs_f64(initial_delay).map_err(|error| error.to_string())?;
    let backoff = || {
        Backoff::new(delay)
            .cap(Duration::MAX)
            .jitter(Jitter::none())
    };
    let layer = RetryLayer::new()
        .max_retries(max_retries)
        .backoff(backoff())
        .throttled_backoff(backoff())
        .spread(0.0)
        .budget(Budget::unlimited());
    Ok(layer)
}

/// What came of one request.
struct Run {
    calls: u32,
    /// In seconds.
    waits: Vec<f64>,
    result: Result<Response<()>, BoxError>,
}

impl Run {
    /// Gets a URL from a server that answers the call of each number so, in virtual time.
    fn of<C>(retry: &RetryLayer<C>, reply: impl Fn(u32) -> Result<Response<()>, BoxError>) -> Self
    where
        C: tower_throttle_core::Classify<Response<()>, BoxError, Feedback = Outcome> + Clone,
    {
        let (called, mut calls) = mpsc::unbounded_channel();
        let (number, reply) = (Arc::new(AtomicU32::new(0)), Arc::new(reply));
        let server = service_fn(move |_: Request<()>| {
            let _ = called.send(Instant::now());
            std::future::ready(reply(number.fetch_add(1, Ordering::Relaxed)))
        });
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let result = runtime.block_on(retry.layer(server).oneshot(Request::new(())));
        let calls: Vec<_> = std::iter::from_fn(|| calls.try_recv().ok()).collect();
        Self {
            calls: u32::try_from(calls.len()).expect("not so many"),
            waits: calls
                .windows(2)
                .map(|two| (two[1] - two[0]).as_secs_f64())
                .collect(),
            result,
        }
    }

    /// In stkai's words. What it wraps is ours as it is, and counts as wrapped if there was a retry.
    fn outcome(&self) -> &'static str {
        match &self.result {
            Ok(_) => "success",
            Err(error) if !error.is::<ValueError>() => "another error",
            Err(_) if self.calls == 1 => "original error",
            Err(_) => "MaxRetriesExceeded(last=ValueError)",
        }
    }
}
