//! Every case of `tests/vectors/headers.json`: what responses say about throttling, and what it means.
//!
//! The cases come from RFCs, drafts, the tests of other clients and captures. `HEADER_VECTORS` names
//! another file to take them from. What is compared is computed from the case; a case with a field, a
//! group or a setting that isn't known here fails.

use std::{
    env, fs,
    io::{self, Write},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use tower_throttle_retry_after::{Directive, Limit, Profile, ResetFormat, ResetHeader, Signals};

type Object = Map<String, Value>;
type Outcome<T> = Result<T, String>;

const GROUPS: &[&str] = &[
    "akamai",
    "anthropic",
    "atlassian",
    "aws",
    "azure",
    "basecamp",
    "brevo",
    "delta",
    "discord",
    "dropbox",
    "envoy",
    "epoch",
    "exhausted",
    "gemini",
    "gh",
    "gorgias",
    "groq",
    "grpc",
    "hubspot",
    "ietf",
    "jira",
    "kong",
    "lemlist",
    "linear",
    "ms",
    "openai",
    "ra",
    "reddit",
    "remaining",
    "reset",
    "sentry",
    "shopify",
    "slack",
    "sr",
    "stripe",
    "x",
    "zendesk",
];

#[test]
fn header_vectors() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/headers.json");
    let path = env::var("HEADER_VECTORS").unwrap_or_else(|_| here.to_owned());
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let cases: Vec<Value> = serde_json::from_slice(&text).unwrap();

    let failures: Vec<_> = cases.iter().filter_map(failure).collect();
    let passed = cases.len() - failures.len();
    // Not `println!`: this is to be seen without `--nocapture` too.
    writeln!(io::stdout(), "{passed} of {} header vectors", cases.len()).unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(!cases.is_empty(), "{path} holds no cases");
}

fn failure(case: &Value) -> Option<String> {
    let error = check(case).err()?;
    Some(format!("{}: {error}", case["id"]))
}

fn check(case: &Value) -> Outcome<()> {
    let case = Case::new(case)?;
    compare(&case.expect, &case.read(&case.profile))?;
    match &case.expect_strict {
        Some(expect) => compare(expect, &case.read(&case.profile.clone().strict())),
        None => Ok(()),
    }
}

/// A case, with everything in it understood.
struct Case {
    profile: Profile,
    status: StatusCode,
    headers: HeaderMap,
    now: SystemTime,
    body: Option<String>,
    expect: Object,
    expect_strict: Option<Object>,
}

impl Case {
    fn new(case: &Value) -> Outcome<Self> {
        let mut fields = object(case)?.clone();
        let mut take = |key: &str| fields.remove(key).unwrap_or_default();
        let group = string(&take("group"))?;
        if !GROUPS.contains(&group.as_str()) {
            return Err(format!("unknown group {group}"));
        }
        for documentation in ["id", "source", "authority", "note", "peers_ms"] {
            take(documentation);
        }
        let case = Self {
            profile: profile(&take("profile"), &take("config"))?,
            status: status(&take("status"))?,
            headers: headers(&take("headers"))?,
            now: time(&take("now"))?,
            body: optional(&take("body"), string)?,
            expect: object(&take("expect"))?.clone(),
            expect_strict: optional(&take("expect_strict"), |value| object(value).cloned())?,
        };
        match fields.keys().next() {
            Some(key) => Err(format!("unknown field {key}")),
            None => Ok(case),
        }
    }

    fn read(&self, profile: &Profile) -> Value {
        let signals = Signals::read(&self.headers, self.status, profile, self.now);
        let signals = match &self.body {
            Some(body) => signals.with_body(body.as_bytes(), profile),
            None => signals,
        };
        told(&signals)
    }
}

/// What the signals tell, in the words of a case.
fn told(signals: &Signals) -> Value {
    let binding = signals.binding().cloned().unwrap_or_default();
    let limits: Vec<_> = signals.limits().iter().map(limit).collect();
    json!({
        "retry_after_ms": millis(signals.retry_after()),
        "wait_ms": millis(signals.wait()),
        "over_cap": signals.over_cap(Signals::CAP),
        "saturated": signals.saturated(),
        "directive": signals.directive().map(|directive| match directive {
            Directive::Retry => "retry",
            Directive::NoRetry => "no-retry",
        }),
        "ignored": signals.is_empty(),
        "limits": limits,
        "limit": binding.limit,
        "remaining": binding.remaining,
        "reset_ms": millis(binding.reset),
        "window_ms": millis(binding.window),
        "pace_next_ms": millis(signals.next_request()),
    })
}

fn limit(limit: &Limit) -> Value {
    json!({
        "name": limit.name,
        "limit": limit.limit,
        "remaining": limit.remaining,
        "reset_ms": millis(limit.reset),
        "window_ms": millis(limit.window),
        "unit": limit.unit,
        "utilization": limit.utilization,
    })
}

/// Rounded up; null for what is too long to be said.
fn millis(time: Option<Duration>) -> Value {
    let time = time.filter(|time| *time != Duration::MAX);
    let millis = time.map(|time| time.as_nanos().div_ceil(1_000_000));
    millis.map_or(Value::Null, |millis| millis.to_string().parse().unwrap())
}

/// Every field that is expected, and of a limit every field that it is said to have.
fn compare(expect: &Object, told: &Value) -> Outcome<()> {
    for (key, expected) in expect {
        let found = told
            .get(key)
            .ok_or_else(|| format!("unknown expectation {key}"))?;
        let same = match key.as_str() {
            "limits" => same_limits(expected, found),
            _ => expected == found,
        };
        if !same {
            return Err(format!("{key} is {found}, not {expected}"));
        }
    }
    Ok(())
}

/// In any order: which of two headers came first, a `HeaderMap` doesn't promise to know, and the cases
/// themselves have two orders. What the order decides, `limit`, `remaining`, … compare.
fn same_limits(expected: &Value, found: &Value) -> bool {
    let (Some(expected), Some(found)) = (expected.as_array(), found.as_array()) else {
        return false;
    };
    let mut left: Vec<&Value> = found.iter().collect();
    let all = expected.iter().all(|expected| {
        let at = left.iter().position(|found| says(found, expected));
        at.map(|at| left.swap_remove(at)).is_some()
    });
    all && left.is_empty()
}

fn says(found: &Value, expected: &Value) -> bool {
    let expected = expected.as_object();
    expected.is_some_and(|expected| {
        expected
            .iter()
            .all(|(key, value)| found.get(key) == Some(value))
    })
}

/// The profile of this name; an unknown one is read as `generic`.
fn profile(name: &Value, config: &Value) -> Outcome<Profile> {
    let mut profile = Profile::named(&string(name)?).unwrap_or_default();
    let config = optional(config, |config| object(config).cloned())?;
    for (key, value) in config.unwrap_or_default() {
        profile = match (profile.name(), key.as_str()) {
            ("aws", "backoff_ms") => profile.backoff(Duration::from_millis(number(&value)?)),
            ("reddit", "window_s") => profile.window(Duration::from_secs(number(&value)?)),
            ("envoy-reset", "reset_headers") => profile.reset_headers(reset_headers(&value)?),
            ("envoy-reset", "max_interval_ms") => {
                profile.max_interval(Duration::from_millis(number(&value)?))
            }
            (name, key) => return Err(format!("unknown setting {key} of {name}")),
        };
    }
    Ok(profile)
}

fn reset_headers(value: &Value) -> Outcome<Vec<ResetHeader>> {
    let reset_header = |value: &Value| {
        let format = match string(&value["format"])?.as_str() {
            "SECONDS" => ResetFormat::Seconds,
            "UNIX_TIMESTAMP" => ResetFormat::UnixTimestamp,
            format => return Err(format!("unknown format {format}")),
        };
        let name = header_name(&value["name"])?;
        Ok(ResetHeader { name, format })
    };
    array(value)?.iter().map(reset_header).collect()
}

fn headers(value: &Value) -> Outcome<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in array(value)? {
        let [name, value] = array(pair)?.as_slice() else {
            return Err(format!("{pair} is no header"));
        };
        let value = string(value)?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|error| error.to_string())?;
        headers.append(header_name(name)?, value);
    }
    Ok(headers)
}

fn header_name(value: &Value) -> Outcome<HeaderName> {
    string(value)?
        .parse()
        .map_err(|_| format!("{value} is no header name"))
}

fn status(value: &Value) -> Outcome<StatusCode> {
    let status = u16::try_from(number(value)?).unwrap_or_default();
    StatusCode::from_u16(status).map_err(|_| format!("{value} is no status"))
}

fn time(value: &Value) -> Outcome<SystemTime> {
    let time: jiff::Timestamp = string(value)?
        .parse()
        .map_err(|_| format!("{value} is no time"))?;
    Ok(time.into())
}

fn optional<T>(value: &Value, read: impl FnOnce(&Value) -> Outcome<T>) -> Outcome<Option<T>> {
    match value {
        Value::Null => Ok(None),
        value => read(value).map(Some),
    }
}

fn object(value: &Value) -> Outcome<&Object> {
    value
        .as_object()
        .ok_or_else(|| format!("{value} is no object"))
}

fn array(value: &Value) -> Outcome<&Vec<Value>> {
    value
        .as_array()
        .ok_or_else(|| format!("{value} is no array"))
}

fn string(value: &Value) -> Outcome<String> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("{value} is no string"))
}

fn number(value: &Value) -> Outcome<u64> {
    value
        .as_u64()
        .ok_or_else(|| format!("{value} is no number"))
}
