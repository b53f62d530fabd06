use std::{ops::Range, time::Duration};

use serde::Serialize;

use super::{jain, percentile, rolling::Rolling, statistics::ratio};
use crate::{
    client::{End, Request},
    run::{Config, Run, SLICES, What, slice},
    series,
};

/// What came of one run, or of many. What there is not is not a number, `null` as JSON; what was never
/// reached is infinite, `null` too.
///
/// Unless it says otherwise, it is about the measured windows: about answers that the server gave in
/// them, and about requests that ended in them. What the server gave a rogue counts, what the rogue
/// made of it doesn't.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// What the server let in, as a share of what it would have let in.
    pub utilisation: f64,
    /// 429s for each request that was let in.
    pub rejected_per_accepted: f64,
    /// [How fairly](jain) the clients share what was let in: those that were there all the time.
    pub jain: f64,
    /// Requests that succeeded, as a share of those that ended.
    pub success: f64,
    /// How long a request that succeeded took in the median, from the beginning to the end, in seconds.
    pub p50_s: f64,
    /// The same for the slowest twentieth.
    pub p95_s: f64,
    /// The same for the slowest hundredth.
    pub p99_s: f64,
    /// How long a request that was let in took from the send to the response, without waiting in the
    /// client's line, in the median, in seconds.
    pub sent_p50_s: f64,
    /// The same for the slowest twentieth.
    pub sent_p95_s: f64,
    /// Requests that succeeded per minute.
    pub per_minute: f64,
    /// 429s as a share of all that the server answered.
    pub rejected_share: f64,
    /// Requests that ended in an error, or in a 429 after all retries.
    pub failed: f64,
    /// Those among them that a layer refused because they would have waited for too long, or did.
    pub timed_out: f64,
    /// Requests of the whole run that never ended. There must be none.
    pub lost: f64,
    /// From the beginning, after how many windows at least 90 % of the quota were used for a window,
    /// with at most 5 429s per 100.
    pub converged_windows: f64,
    /// From the first change on, after how many windows at least 95 % of the quota were used for a
    /// window.
    pub reclaimed_windows: f64,
    /// From the first change on, after how many windows there were at most 5 429s per 100 for a window.
    pub yielded_windows: f64,
    /// 429s for each request that was let in, in the four windows from the first change on.
    pub rejected_after_change: f64,
    /// When the last request of the whole run ended, in seconds.
    pub makespan_s: f64,
}

impl Figures {
    /// What came of `run`, which ran as `config` says.
    #[must_use]
    pub fn of(config: &Config, run: &Run) -> Self {
        let rolling = Rolling::new(&run.series, size(SLICES));
        let measured = size(config.warmup * SLICES)..size(config.windows * SLICES);
        let span = config.measured_from()..config.length();
        let clients = size(config.all_clients());
        let ended = ended_within(&run.requests, clients, &span);
        let took = latencies(&ended);
        let trips = trips(run, clients, &span);
        let minutes = (span.end - span.start).as_secs_f64() / 60.0;
        let change = first_change(config);
        let quick =
            |rolling: &Rolling, slices: Range<usize>| rolling.rejected_per_accepted(slices) <= 0.05;
        Self {
            utilisation: rolling.utilisation(measured.clone()),
            rejected_per_accepted: rolling.rejected_per_accepted(measured.clone()),
            jain: jain(&shares(config, run, &measured)),
            success: success(&ended),
            p50_s: seconds(percentile(&took, 50)),
            p95_s: seconds(percentile(&took, 95)),
            p99_s: seconds(percentile(&took, 99)),
            sent_p50_s: seconds(percentile(&trips, 50)),
            sent_p95_s: seconds(percentile(&trips, 95)),
            per_minute: count(&ended, |end| end == End::Succeeded) / minutes,
            rejected_share: rolling.rejected_share(measured.clone()),
            failed: count(&ended, |end| {
                !matches!(end, End::Succeeded | End::Abandoned)
            }),
            timed_out: count(&ended, |end| end == End::TimedOut),
            lost: run.lost.into(),
            converged_windows: rolling.windows_until(0, |rolling, slices| {
                rolling.utilisation(slices.clone()) >= 0.9 && quick(rolling, slices)
            }),
            reclaimed_windows: since(change, |from| {
                rolling.windows_until(from, |rolling, slices| rolling.utilisation(slices) >= 0.95)
            }),
            yielded_windows: since(change, |from| rolling.windows_until(from, quick)),
            rejected_after_change: since(change, |from| {
                rolling.rejected_per_accepted(from..from + size(4 * SLICES))
            }),
            makespan_s: seconds(run.requests.last().map(|request| request.ended)),
        }
    }
}

/// Those of the first `clients`: a rogue would be the next.
fn ended_within(requests: &[Request], clients: usize, span: &Range<Duration>) -> Vec<Request> {
    let ours = requests.iter().filter(|request| request.client < clients);
    let ended = ours.filter(|request| span.contains(&request.ended));
    ended.copied().collect()
}

fn latencies(ended: &[Request]) -> Vec<Duration> {
    let succeeded = ended.iter().filter(|request| request.end == End::Succeeded);
    let mut took: Vec<_> = succeeded.map(Request::took).collect();
    took.sort_unstable();
    took
}

fn trips(run: &Run, clients: usize, span: &Range<Duration>) -> Vec<Duration> {
    let ours = run.trips.iter().filter(|trip| trip.client < clients);
    let within = ours.filter(|trip| span.contains(&trip.ended));
    let mut took: Vec<_> = within.map(|trip| trip.ended - trip.sent).collect();
    took.sort_unstable();
    took
}

fn success(ended: &[Request]) -> f64 {
    let succeeded = count(ended, |end| end == End::Succeeded);
    ratio(succeeded, count(ended, |end| end != End::Abandoned)).unwrap_or(1.0)
}

fn count(ended: &[Request], counts: impl Fn(End) -> bool) -> f64 {
    let count = ended.iter().filter(|request| counts(request.end)).count();
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// What each client had, of those that were there all the time.
fn shares(config: &Config, run: &Run, measured: &Range<usize>) -> Vec<u32> {
    let left: u32 = config.changes.iter().map(left).sum();
    let steady = run.series.accepted.iter().take(size(config.clients));
    steady
        .skip(size(left))
        .map(|row| row[measured.clone()].iter().sum())
        .collect()
}

fn left(change: &crate::run::Change) -> u32 {
    match change.what {
        What::Leave(clients) => clients,
        _ => 0,
    }
}

/// In which slice something changes for the first time.
fn first_change(config: &Config) -> Option<usize> {
    let first = config.changes.iter().map(|change| change.at).min();
    first.map(|at| series::index(at, slice(config.window)))
}

fn since(change: Option<usize>, figure: impl Fn(usize) -> f64) -> f64 {
    change.map_or(f64::NAN, figure)
}

fn seconds(time: Option<Duration>) -> f64 {
    time.map_or(f64::NAN, |time| time.as_secs_f64())
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
