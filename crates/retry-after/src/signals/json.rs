//! What servers say in JSON bodies.

mod value;

pub(crate) use self::value::Json;
use super::{
    Cause,
    heard::{Heard, Rank},
    number::Decimal,
    profile::Profile,
    reading::{Form, Reading, Source},
    span::go_duration,
    text::excerpt,
    time::{Base, Timed, Unit},
};

/// Bodies longer than this are not looked at: 64 KiB.
pub(crate) const MAX_BODY: usize = 64 * 1024;

const RETRY_INFO: &str = "google.rpc.RetryInfo";
const QUOTA_FAILURE: &str = "google.rpc.QuotaFailure";

/// Codes that mean *the money is spent* (Anthropic, OpenAI).
const BUDGET: &[&str] = &[
    "contract_spend_limit_reached",
    "enforced_spend_limit_reached",
    "linked_organization_spend_limit_reached",
    "insufficient_quota",
];
/// The code that means *not so fast* (Anthropic).
const GROWTH: &[&str] = &["ramp_limit_exceeded"];

/// Hears what a body says. A body that isn't JSON, or is too long, says nothing.
pub(crate) fn hear(heard: &mut Heard, body: &[u8], profile: &Profile) {
    let Some(body) = Some(body)
        .filter(|body| body.len() <= MAX_BODY)
        .and_then(Json::parse)
    else {
        return;
    };
    walk(&body, &mut |object| {
        heard.cause = heard.cause.or_else(|| cause(object));
        if let Some(reading) = retry_delay(object) {
            heard.wait(Rank::Body, reading);
        }
    });
    let places = [Some(&body), body.get("error"), body.get("parameters")];
    for place in places.into_iter().flatten() {
        let told = retry_after(place, &heard.base);
        if let Some(reading) = told.or_else(|| in_message(place, &heard.base, profile)) {
            heard.wait(Rank::Body, reading);
        }
    }
}

/// Shows every object in a value to `visit`. The depth is bounded.
fn walk(value: &Json, visit: &mut impl FnMut(&Json)) {
    match value {
        Json::Array(values) => values.iter().for_each(|value| walk(value, visit)),
        Json::Object(object) => {
            visit(value);
            object.values().for_each(|value| walk(value, visit));
        }
        _ => {}
    }
}

/// `{"@type": "…/google.rpc.RetryInfo", "retryDelay": "46s"}`, and the same of Google Ads.
fn retry_delay(object: &Json) -> Option<Reading> {
    let info = match is_type(object, RETRY_INFO) {
        true => object,
        false => object.get("quotaErrorDetails")?,
    };
    let delay = info.get("retryDelay")?.as_str()?;
    let timed = Timed::delay(go_duration(delay.as_bytes())?, Form::RetryInfo);
    Some(in_body(timed, "retryDelay", delay))
}

/// `{"retry_after": 15}` (Discord at the top, Dropbox under `error`, Telegram under `parameters`).
fn retry_after(place: &Json, base: &Base) -> Option<Reading> {
    let (text, timed) = match place.get("retry_after")? {
        Json::Number(text) => (
            text,
            base.number(Decimal::json(text.as_bytes())?, Unit::BySize),
        ),
        Json::String(text) => (text, base.read(text.as_bytes(), Unit::BySize)?),
        _ => return None,
    };
    Some(in_body(timed, "retry_after", text))
}

fn in_message(place: &Json, base: &Base, profile: &Profile) -> Option<Reading> {
    let message = place.get("message")?.as_str()?;
    let text = profile.wait_in_message(message)?;
    let timed = base.read(text.as_bytes(), Unit::BySize)?;
    Some(in_body(timed, "message", message))
}

fn cause(object: &Json) -> Option<Cause> {
    let codes = ["code", "type", "error_code"].into_iter();
    let mut codes = codes.filter_map(|key| object.get(key)?.as_str());
    let known = codes.find_map(|code| match code {
        code if BUDGET.contains(&code) => Some(Cause::Budget),
        code if GROWTH.contains(&code) => Some(Cause::Growth),
        _ => None,
    });
    known.or_else(|| daily(object).then_some(Cause::DailyQuota))
}

/// `{"@type": "…/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDay…"}]}`
fn daily(object: &Json) -> bool {
    let violations = object.get("violations").and_then(Json::as_array);
    let mut ids = violations
        .into_iter()
        .flatten()
        .filter_map(|v| v.get("quotaId")?.as_str());
    is_type(object, QUOTA_FAILURE) && ids.any(|id| id.contains("PerDay"))
}

fn is_type(object: &Json, name: &str) -> bool {
    let url = object.get("@type").and_then(Json::as_str);
    url.and_then(|url| url.rsplit('/').next()) == Some(name)
}

fn in_body(timed: Timed, key: &str, value: &str) -> Reading {
    let raw = excerpt(format!("{key}: {value}").as_bytes());
    Reading::new(timed, Source::Body, raw)
}
