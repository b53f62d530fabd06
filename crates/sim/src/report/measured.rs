use std::{ops::Range, time::Duration};

use super::{jain, percentile, rolling::Rolling, statistics::ratio};
use crate::{
    client::{End, Request},
    run::{Change, Config, Run, SLICES, What, slice},
    series,
};

/// What the figures are made of: the measured part of a run.
pub(super) struct Measured<'a> {
    config: &'a Config,
    run: &'a Run,
    rolling: Rolling,
    slices: Range<usize>,
    /// Requests that ended in the measured windows.
    ended: Vec<Request>,
    /// How long those took that succeeded, the quickest first.
    took: Vec<Duration>,
    /// The same from the send on, of all that were let in.
    trips: Vec<Duration>,
    /// In which slice something changes for the first time.
    change: Option<usize>,
}

impl<'a> Measured<'a> {
    pub(super) fn of(config: &'a Config, run: &'a Run) -> Self {
        let span = config.measured_from()..config.length();
        let clients = size(config.all_clients());
        let ended = ended_within(&run.requests, clients, &span);
        Self {
            rolling: Rolling::new(&run.series, size(SLICES)),
            slices: size(config.warmup * SLICES)..size(config.windows * SLICES),
            took: latencies(&ended),
            trips: trips(run, clients, &span),
            change: first_change(config),
            ended,
            config,
            run,
        }
    }

    pub(super) fn utilisation(&self) -> f64 {
        self.rolling.utilisation(self.slices.clone())
    }

    pub(super) fn rejected_per_accepted(&self) -> f64 {
        self.rolling.rejected_per_accepted(self.slices.clone())
    }

    pub(super) fn rejected_share(&self) -> f64 {
        self.rolling.rejected_share(self.slices.clone())
    }

    pub(super) fn jain(&self) -> f64 {
        jain(&shares(self.config, self.run, &self.slices))
    }

    pub(super) fn success(&self) -> f64 {
        let ended = self.count(|end| end != End::Abandoned);
        ratio(self.succeeded(), ended).unwrap_or(1.0)
    }

    pub(super) fn per_minute(&self) -> f64 {
        let span = self.config.length() - self.config.measured_from();
        self.succeeded() * 60.0 / span.as_secs_f64()
    }

    pub(super) fn failed(&self) -> f64 {
        self.count(|end| !matches!(end, End::Succeeded | End::Abandoned))
    }

    pub(super) fn timed_out(&self) -> f64 {
        self.count(|end| end == End::TimedOut)
    }

    pub(super) fn latency(&self, percent: usize) -> f64 {
        seconds(percentile(&self.took, percent))
    }

    pub(super) fn latency_from_send(&self, percent: usize) -> f64 {
        seconds(percentile(&self.trips, percent))
    }

    pub(super) fn converged(&self) -> f64 {
        self.rolling.windows_until(0, |rolling, slices| {
            rolling.utilisation(slices.clone()) >= 0.9 && few_rejected(rolling, slices)
        })
    }

    pub(super) fn reclaimed(&self) -> f64 {
        self.since_change(|from| {
            let used = |rolling: &Rolling, slices| rolling.utilisation(slices) >= 0.95;
            self.rolling.windows_until(from, used)
        })
    }

    pub(super) fn yielded(&self) -> f64 {
        self.since_change(|from| self.rolling.windows_until(from, few_rejected))
    }

    pub(super) fn rejected_after_change(&self) -> f64 {
        self.since_change(|from| {
            let four_windows = from..from + size(4 * SLICES);
            self.rolling.rejected_per_accepted(four_windows)
        })
    }

    pub(super) fn makespan(&self) -> f64 {
        let last = self.run.requests.last();
        seconds(last.map(|request| request.ended))
    }

    fn since_change(&self, figure: impl Fn(usize) -> f64) -> f64 {
        self.change.map_or(f64::NAN, figure)
    }

    fn succeeded(&self) -> f64 {
        self.count(|end| end == End::Succeeded)
    }

    fn count(&self, counts: impl Fn(End) -> bool) -> f64 {
        let counted = self.ended.iter().filter(|request| counts(request.end));
        u32::try_from(counted.count()).map_or(f64::INFINITY, f64::from)
    }
}

fn few_rejected(rolling: &Rolling, slices: Range<usize>) -> bool {
    rolling.rejected_per_accepted(slices) <= 0.05
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

/// What each client had, of those that were there all the time.
fn shares(config: &Config, run: &Run, measured: &Range<usize>) -> Vec<u32> {
    let left: u32 = config.changes.iter().map(left).sum();
    let steady = run.series.accepted.iter().take(size(config.clients));
    steady
        .skip(size(left))
        .map(|row| row[measured.clone()].iter().sum())
        .collect()
}

fn left(change: &Change) -> u32 {
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

fn seconds(time: Option<Duration>) -> f64 {
    time.map_or(f64::NAN, |time| time.as_secs_f64())
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
