use std::{fmt, time::Duration};

use http::StatusCode;
use serde_json::{Value, json};
use tower_throttle_retry_after::{
    Cause, Directive, Limit, Pace, Pacing, Profile, Reading, Signals,
};

/// What was understood of a response, in words.
pub(crate) struct Explanation {
    pub(crate) signals: Signals,
    pub(crate) status: StatusCode,
    pub(crate) profile: Profile,
    pub(crate) cap: Duration,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, read as {}", self.status, self.profile.name())?;
        section(
            f,
            "Told to wait",
            self.signals.readings().map(ToString::to_string),
        )?;
        section(f, "Limits", self.limits())?;
        section(f, "Other hints", self.hints())?;
        section(f, "Not understood", self.unread())?;
        section(f, "Pace", self.pace())?;
        match self.signals.provenance() {
            Some(reading) => writeln!(f, "\nWait: {reading}")?,
            None => writeln!(f, "\nWait: nothing says how long")?,
        }
        write!(f, "Do:   {}", self.advice())
    }
}

fn section(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    lines: impl IntoIterator<Item = String>,
) -> fmt::Result {
    for (at, line) in lines.into_iter().enumerate() {
        if at == 0 {
            writeln!(f, "\n{title}")?;
        }
        writeln!(f, "  {line}")?;
    }
    Ok(())
}

impl Explanation {
    fn limits(&self) -> Vec<String> {
        let limits = self.signals.limits().iter();
        limits.map(|limit| self.limit(limit)).collect()
    }

    fn limit(&self, limit: &Limit) -> String {
        let mut line = limit.name.clone().unwrap_or_else(|| "(unnamed)".to_owned());
        let of = limit
            .limit
            .map_or(String::new(), |quota| format!(" of {quota}"));
        match limit.remaining {
            Some(left) => line += &format!(": {left}{of} remaining"),
            None => line += &format!(": unknown{of} remaining"),
        }
        if let Some(unit) = &limit.unit {
            line += &format!(", in {unit}");
        }
        if let Some(used) = limit.utilization {
            line += &format!(", used up to {used}");
        }
        if let Some(window) = limit.window {
            line += &format!(", per {window:?}");
        }
        if let Some(reading) = limit.provenance() {
            line += &format!(", reset in {reading}");
        }
        if limit.is_last_resort() {
            line += ", picked out of a malformed field";
        }
        if self.signals.binding() == Some(limit) {
            line += if limit.exhausted() {
                " <- exhausted, and binding"
            } else {
                " <- binding"
            };
        }
        line
    }

    fn hints(&self) -> Vec<String> {
        let directive = self.signals.directive().map(|directive| match directive {
            Directive::Retry => "the server asks for a retry",
            Directive::NoRetry => "the server forbids a retry",
        });
        let cause = self.signals.cause().map(cause);
        let status = self.signals.grpc_status();
        let status = status.map(|status| format!("gRPC status {status}"));
        let told = [directive, cause].into_iter().flatten().map(str::to_owned);
        told.chain(status).collect()
    }

    fn unread(&self) -> Vec<String> {
        let unread = self.signals.unread().iter();
        unread
            .map(|unread| format!("{}: {}", unread.header(), unread.raw()))
            .collect()
    }

    fn pace(&self) -> Option<String> {
        match self.signals.pace(&Pacing::default())? {
            Pace::Rate { events, period } => Some(format!(
                "{events} requests in {period:?}: nine tenths of what remains, spread evenly"
            )),
            _ => None,
        }
    }

    /// What a client should do, the strongest reason first.
    fn advice(&self) -> String {
        let cap = self.cap;
        if self.signals.over_cap(cap) {
            return format!("give up. The wait is over the cap of {cap:?}: say so in the error.");
        }
        if self.signals.directive() == Some(Directive::NoRetry) {
            return "don't retry, since the server says so.".to_owned();
        }
        let failed = self.status.is_client_error() || self.status.is_server_error();
        match self.signals.wait().filter(|wait| !wait.is_zero()) {
            Some(wait) => self.hold(wait, failed),
            None if failed => "if a retry is called for, take your own backoff.".to_owned(),
            None => "go on.".to_owned(),
        }
    }

    fn hold(&self, wait: Duration, failed: bool) -> String {
        let guard = self.signals.guard();
        let wait = wait.saturating_add(guard);
        let then = if failed { "retry" } else { "go on" };
        let added = match guard.is_zero() {
            true => String::new(),
            false => format!(" {guard:?} is added, since the instant is in whole seconds."),
        };
        format!(
            "hold everybody back for {wait:?}, or for your own backoff if that is longer, then {then}.{added}"
        )
    }

    pub(crate) fn to_json(&self) -> Value {
        let signals = &self.signals;
        json!({
            "status": self.status.as_u16(),
            "profile": self.profile.name(),
            "retry_after": seconds(signals.retry_after()),
            "wait": seconds(signals.wait()),
            "guard": seconds(Some(signals.guard())),
            "over_cap": signals.over_cap(self.cap),
            "saturated": signals.saturated(),
            "directive": signals.directive().map(|directive| format!("{directive:?}")),
            "cause": signals.cause().map(|cause| format!("{cause:?}")),
            "grpc_status": signals.grpc_status(),
            "provenance": signals.provenance().map(reading),
            "readings": signals.readings().map(reading).collect::<Vec<_>>(),
            "limits": signals.limits().iter().map(limit).collect::<Vec<_>>(),
            "unread": self.unread(),
            "advice": self.advice(),
        })
    }
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Concurrency => "too many requests in flight, rather than too many per time",
        Cause::Growth => "the rate grew too fast: start slowly after the wait",
        Cause::Budget => "the budget is spent: waiting won't help",
        Cause::DailyQuota => "the quota of the day is spent",
        _ => "something newer than this example",
    }
}

fn limit(limit: &Limit) -> Value {
    json!({
        "name": limit.name,
        "limit": limit.limit,
        "remaining": limit.remaining,
        "reset": seconds(limit.reset),
        "window": seconds(limit.window),
        "unit": limit.unit,
        "utilization": limit.utilization,
        "exhausted": limit.exhausted(),
        "provenance": limit.provenance().map(reading),
    })
}

fn reading(reading: &Reading) -> Value {
    json!({
        "wait": seconds(Some(reading.wait())),
        "from": format!("{:?}", reading.source()),
        "raw": reading.raw(),
        "read_as": reading.form().to_string(),
        "clock": reading.clock().map(|clock| clock.to_string()),
    })
}

/// Null for what is unknown, and for what is too long to be said.
fn seconds(time: Option<Duration>) -> Option<f64> {
    let time = time.filter(|time| *time != Duration::MAX);
    time.map(|time| time.as_secs_f64())
}
