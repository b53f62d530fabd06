//! What a response comes to, where the vectors leave a question open.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tower_throttle_retry_after::{
    Cause, Clock, Directive, Form, Limit, Pace, Pacing, Profile, Signals, Source, emit,
};

const THROTTLED: StatusCode = StatusCode::TOO_MANY_REQUESTS;

/// Fri, 29 Sep 2023 16:26:37 GMT
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_696_004_797)
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&str, &str)| {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        (name.parse::<HeaderName>().unwrap(), value)
    };
    lines.iter().map(line).collect()
}

fn read(lines: &[(&str, &str)]) -> Signals {
    read_as(&Profile::generic(), lines)
}

fn read_as(profile: &Profile, lines: &[(&str, &str)]) -> Signals {
    Signals::read(&headers(lines), THROTTLED, profile, now())
}

fn secs(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn a_response_that_says_nothing_says_nothing() {
    let signals = read(&[("content-type", "text/plain"), ("x-request-id", "1")]);
    assert!(signals.is_empty());
    assert_eq!(signals.wait(), None);
    assert_eq!(signals.provenance(), None);
    assert_eq!(signals.pace(&Pacing::default()), None);
    assert!(!signals.over_cap(Duration::ZERO));
}

#[test]
fn the_provenance_tells_header_text_form_and_clock() {
    let signals = read(&[
        ("date", "Fri, 29 Sep 2023 16:00:00 GMT"),
        ("age", "60"),
        ("retry-after", "Fri, 29 Sep 2023 16:01:30 GMT"),
    ]);
    let reading = signals.provenance().unwrap();
    assert_eq!(reading.wait(), Duration::from_secs(30));
    assert_eq!(reading.source(), &Source::Header(http::header::RETRY_AFTER));
    assert_eq!(reading.raw(), "Fri, 29 Sep 2023 16:01:30 GMT");
    assert_eq!(reading.form(), Form::HttpDate);
    assert_eq!(reading.clock(), Some(Clock::DateAndAge));
    assert!(reading.over_cap(Duration::from_secs(29)) && !reading.over_cap(reading.wait()));
}

#[test]
fn what_is_shown_of_a_value_is_bounded_and_what_is_too_long_is_not_read() {
    let zeros = |n| format!("{}1", "0".repeat(n - 1));
    let longest = read(&[("retry-after", &zeros(Signals::MAX_VALUE_LEN))]);
    assert_eq!(longest.wait(), secs(1));
    assert_eq!(longest.provenance().unwrap().raw().chars().count(), 81);

    let longer = read(&[("retry-after", &zeros(Signals::MAX_VALUE_LEN + 1))]);
    assert!(longer.is_empty());
    assert_eq!(longer.unread()[0].header(), "retry-after");
}

#[test]
fn a_zero_gives_way_to_a_longer_wait_in_a_less_trusted_header() {
    let signals = read(&[("retry-after", "0"), ("x-ratelimit-retry-after", "7")]);
    assert_eq!(signals.retry_after(), secs(7));
    let signals = read(&[("retry-after", "1"), ("x-ratelimit-retry-after", "7")]);
    assert_eq!(signals.retry_after(), secs(1));
}

#[test]
fn a_pushback_of_zero_means_now_and_two_mean_never() {
    let details = (
        "grpc-status-details-bin",
        "CA4SAXgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIHg==",
    );
    let signals = read(&[("grpc-retry-pushback-ms", "0"), details]);
    assert_eq!(signals.retry_after(), Some(Duration::ZERO));
    assert_eq!(signals.directive(), None);

    let twice = [
        ("grpc-retry-pushback-ms", "5"),
        ("grpc-retry-pushback-ms", "5"),
    ];
    let signals = read(&twice);
    assert_eq!(signals.directive(), Some(Directive::NoRetry));
    assert_eq!(signals.retry_after(), None);
}

#[test]
fn grpc_trailers_are_added_to_the_head_and_nothing_else_in_them() {
    let profile = Profile::generic();
    let trailers = headers(&[
        ("grpc-status", "8"),
        ("grpc-retry-pushback-ms", "1500"),
        ("ratelimit", "\"default\";r=0;t=30"),
    ]);
    let signals = read(&[("content-type", "application/grpc")]).with_trailers(&trailers, &profile);
    assert_eq!(signals.grpc_status(), Some(8));
    assert_eq!(signals.wait(), Some(Duration::from_millis(1500)));
    assert!(signals.limits().is_empty());
}

#[test]
fn not_to_retry_beats_to_retry_in_any_order() {
    for values in [["true", "false"], ["false", "true"]] {
        let signals = read(&values.map(|value| ("x-should-retry", value)));
        assert_eq!(signals.directive(), Some(Directive::NoRetry));
    }
    let signals = read(&[("x-envoy-overloaded", "true"), ("x-should-retry", "true")]);
    assert_eq!(signals.directive(), Some(Directive::NoRetry));
    let signals = read(&[("x-should-retry", "True")]);
    assert_eq!(signals.directive(), None);
    assert_eq!(signals.unread()[0].raw(), "True");
}

#[test]
fn limits_from_a_cache_are_left_out_and_waits_are_not() {
    let signals = read(&[
        ("age", "1"),
        ("retry-after", "3"),
        ("ratelimit", "\"default\";r=0;t=30"),
        ("x-ratelimit-remaining", "0"),
    ]);
    assert!(signals.limits().is_empty());
    assert_eq!(signals.wait(), secs(3));
}

/// The first version took every date for past, and came back at once.
#[test]
fn an_absurd_age_makes_no_date_past() {
    for age in ["1000000000", "99999999999999999999999"] {
        let signals = read(&[
            ("date", "Fri, 29 Sep 2023 16:00:00 GMT"),
            ("age", age),
            ("retry-after", "Fri, 29 Sep 2023 16:01:00 GMT"),
            ("x-ratelimit-remaining", "0"),
        ]);
        assert_eq!(signals.wait(), secs(60));
        let clock = signals.provenance().unwrap().clock();
        assert_eq!(clock, Some(Clock::Date));
        assert_eq!(signals.limits(), [], "it comes from a cache");
    }
}

#[test]
fn two_families_that_agree_are_one_limit_and_the_later_reset_counts() {
    let signals = read(&[
        ("x-ratelimit-limit", "100"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1696004807"),
        ("ratelimit-limit", "100"),
        ("ratelimit-remaining", "0"),
        ("ratelimit-reset", "11"),
    ]);
    assert_eq!(signals.limits().len(), 1);
    assert_eq!(signals.wait(), secs(11));
}

#[test]
fn where_two_families_disagree_the_tighter_counts() {
    let signals = read(&[
        ("x-ratelimit-remaining", "50"),
        ("x-ratelimit-reset", "10"),
        ("ratelimit-remaining", "20"),
        ("ratelimit-reset", "10"),
    ]);
    assert_eq!(signals.limits().len(), 2);
    assert_eq!(rate(&signals, 1.0), Some(2.0));
}

/// The first version kept the value of whichever family came first.
#[test]
fn where_two_families_agree_on_the_limit_the_tighter_of_what_else_they_say_counts() {
    let used = read(&[
        ("x-ratelimit-limit", "100"),
        ("x-ratelimit-used", "10"),
        ("x-shopify-shop-api-call-limit", "100/100"),
    ]);
    assert!(used.binding().unwrap().exhausted(), "{:?}", used.limits());
    let window = read(&[
        ("x-ratelimit-remaining", "50"),
        ("x-ratelimit-interval-seconds", "1"),
        ("ratelimit-remaining", "50;w=3600"),
    ]);
    assert_eq!(rate(&window, 1.0), Some(50.0 / 3600.0));
    let utilization = read(&[
        ("x-ratelimit-5h-utilization", "0.5"),
        ("anthropic-ratelimit-5h-utilization", "1"),
    ]);
    assert!(utilization.binding().unwrap().exhausted());
}

#[test]
fn the_quotas_of_earlier_drafts_complete_the_limit_of_that_many() {
    let signals = read(&[
        ("ratelimit-limit", "50"),
        ("ratelimit-remaining", "3"),
        ("ratelimit-reset", "7"),
        ("ratelimit-policy", "10;w=1, 50;w=60, 50;w=60"),
    ]);
    let [current, other] = signals.limits() else {
        panic!("{:?}", signals.limits());
    };
    assert_eq!((current.name.as_deref(), current.window), (None, secs(60)));
    assert_eq!(
        (other.name.as_deref(), other.limit),
        (Some("10/1s"), Some(10))
    );
    assert_eq!((other.remaining, other.window), (None, secs(1)));
}

#[test]
fn a_dictionary_of_draft_7_is_joined_with_its_policy() {
    let signals = read(&[
        ("ratelimit", "limit=100, remaining=50, reset=5"),
        ("ratelimit-policy", "100;w=10"),
    ]);
    let [limit] = signals.limits() else {
        panic!("{:?}", signals.limits());
    };
    assert_eq!(limit.limit, Some(100));
    assert_eq!(
        (limit.remaining, limit.reset, limit.window),
        (Some(50), secs(5), secs(10))
    );
}

/// Twitch and GitLab send an epoch under the names of the draft. The first version took it for a delay of
/// 56 years in the newer form, and not in the older.
#[test]
fn an_epoch_in_the_reset_of_a_ratelimit_field_is_one() {
    for field in [
        "limit=100, remaining=0, reset=1696004827",
        "\"default\";r=0;t=1696004827",
    ] {
        assert_eq!(read(&[("ratelimit", field)]).wait(), secs(30), "{field}");
    }
}

#[test]
fn lines_of_a_field_are_one_list() {
    let signals = read(&[
        ("ratelimit", "\"a\";r=1;t=2"),
        ("ratelimit", "\"b\";r=0;t=9"),
    ]);
    assert_eq!(signals.limits().len(), 2);
    assert_eq!(signals.binding().unwrap().name.as_deref(), Some("b"));
}

#[test]
fn what_was_picked_out_of_a_malformed_field_may_hold_back_but_not_speed_up() {
    let malformed = ("ratelimit", "\"default\";r=1000;t=1,");
    let signals = read(&[malformed]);
    assert!(signals.limits()[0].is_last_resort());
    assert_eq!(signals.pace(&Pacing::default()), None);
    assert!(read_as(&Profile::generic().strict(), &[malformed]).is_empty());

    let told = [("x-ratelimit-remaining", "10"), ("x-ratelimit-reset", "10")];
    assert_eq!(rate(&read(&[told[0], told[1], malformed]), 1.0), Some(1.0));
    let slow = ("ratelimit", "\"default\";r=5;t=10,");
    assert_eq!(rate(&read(&[told[0], told[1], slow]), 1.0), Some(0.5));
    let spent = ("ratelimit", "\"default\";r=0;t=10,");
    assert_eq!(read(&[spent]).wait(), secs(10));
}

/// The first version made a pace of a window that it had picked out of a malformed policy.
#[test]
fn a_malformed_policy_makes_no_pace_where_there_was_none() {
    let (left, policy) = (
        ("x-ratelimit-remaining", "50"),
        ("ratelimit-policy", "100;w=1,"),
    );
    assert_eq!(read(&[left, policy]).pace(&Pacing::default()), None);
    let reset = ("x-ratelimit-reset", "10");
    assert_eq!(rate(&read(&[left, reset, policy]), 1.0), Some(5.0));
}

#[test]
fn there_are_no_more_limits_than_there_may_be() {
    let many = |n: usize| {
        (0..n)
            .map(|i| format!("\"l{i}\";r=1"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let policies = (0..500)
        .map(|i| format!("{i};w=1"))
        .collect::<Vec<_>>()
        .join(", ");
    let mut headers = headers(&[("ratelimit", &many(500)), ("ratelimit-policy", &policies)]);
    for i in 0..500 {
        let name = format!("x-ratelimit-remaining-{i}")
            .parse::<HeaderName>()
            .unwrap();
        headers.insert(name, HeaderValue::from_static("1"));
    }
    let signals = Signals::read(&headers, THROTTLED, &Profile::generic(), now());
    assert_eq!(signals.limits().len(), Signals::MAX_LIMITS);
    assert_eq!(signals.unread().len(), 16);
}

#[test]
fn nothing_remaining_of_nothing_is_a_matter_of_concurrency() {
    let signals = read(&[("x-rate-limit-limit", "0"), ("x-rate-limit-remaining", "0")]);
    assert_eq!(signals.cause(), Some(Cause::Concurrency));
    let signals = read(&[("stripe-rate-limited-reason", "global-concurrency")]);
    assert_eq!(signals.cause(), Some(Cause::Concurrency));
    assert!(signals.is_empty());
    let signals = read(&[("stripe-rate-limited-reason", "global-rate")]);
    assert_eq!(signals.cause(), None);
}

#[test]
fn an_instant_in_whole_seconds_of_the_epoch_asks_for_a_guard() {
    let guard =
        |reset| read(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)]).guard();
    assert_eq!(guard("1696004807"), Duration::from_secs(1));
    assert_eq!(guard("1696004807.5"), Duration::ZERO);
    assert_eq!(guard("1696004807000"), Duration::ZERO);
    assert_eq!(guard("10"), Duration::ZERO);
}

#[test]
fn a_profile_may_know_what_to_do_when_nothing_is_said() {
    let github = |status| Signals::read(&HeaderMap::new(), status, &Profile::github(), now());
    let secondary = github(StatusCode::FORBIDDEN);
    assert_eq!(secondary.wait(), secs(60));
    assert_eq!(
        secondary.provenance().unwrap().source(),
        &Source::Profile("github")
    );
    assert!(secondary.is_empty());
    assert_eq!(github(StatusCode::OK).wait(), None);

    let aws = Profile::aws().backoff(Duration::from_millis(50));
    assert_eq!(read_as(&aws, &[]).wait(), Some(Duration::from_millis(50)));
    assert_eq!(
        Signals::read(&HeaderMap::new(), StatusCode::OK, &aws, now()).wait(),
        None
    );
    assert_eq!(read_as(&Profile::aws(), &[]).wait(), None);
}

#[test]
fn signals_and_profiles_can_be_used_anywhere() {
    fn anywhere<T: Send + Sync + Unpin + 'static>() {}
    anywhere::<Signals>();
    anywhere::<Profile>();
}

#[test]
fn every_name_of_a_profile_has_one_and_no_other_does() {
    for name in Profile::names() {
        assert_eq!(Profile::named(name).unwrap().name(), name);
    }
    assert!(Profile::named("nobody").is_none());
}

fn rate(signals: &Signals, safety: f64) -> Option<f64> {
    match signals.pace(&Pacing::new(safety, 0.0, f64::INFINITY).unwrap())? {
        Pace::Rate { events, period } => Some(f64::from(events) / period.as_secs_f64()),
        Pace::Pause(_) => None,
    }
}

/// khive took a wait for "1 per second", and a reset that is just past for 1.7 · 10⁹ seconds.
#[test]
fn a_wait_is_a_pause_and_a_reset_in_the_past_is_a_second_away() {
    let pause = |lines: &[(&str, &str)]| read(lines).pace(&Pacing::default());
    let left = ("x-ratelimit-remaining", "72");
    assert_eq!(
        pause(&[("retry-after", "5"), left]),
        Some(Pace::Pause(secs(5)))
    );
    let none_left = ("x-ratelimit-remaining", "0");
    assert_eq!(pause(&[none_left]), Some(Pace::Pause(None)));
    assert_eq!(
        pause(&[none_left, ("x-ratelimit-reset", "9")]),
        Some(Pace::Pause(secs(9)))
    );

    assert_eq!(
        rate(&read(&[left, ("x-ratelimit-reset", "1696004700")]), 1.0),
        Some(72.0)
    );
    assert_eq!(
        rate(&read(&[left, ("x-ratelimit-reset", "0.2")]), 1.0),
        Some(72.0)
    );
}

#[test]
fn a_wait_of_zero_is_no_pause() {
    let signals = read(&[
        ("retry-after", "0"),
        ("x-ratelimit-remaining", "8"),
        ("x-ratelimit-interval-seconds", "4"),
    ]);
    assert_eq!(rate(&signals, 1.0), Some(2.0));
}

/// The first version went on at the pace of the other limits.
#[test]
fn nothing_is_as_slow_as_an_exhausted_limit_unless_it_is_replenished() {
    let none_left = [
        ("x-ratelimit-remaining-minute", "0"),
        ("x-ratelimit-reset-minute", "60"),
    ];
    let plenty = [
        ("x-ratelimit-remaining-day", "5000"),
        ("x-ratelimit-reset-day", "10"),
    ];
    let pace = |lines: &[&[(&str, &str)]]| read(&lines.concat()).pace(&Pacing::default());
    let (now, pause) = ([("retry-after", "0")], Some(Pace::Pause(secs(60))));
    assert_eq!(pace(&[&now, &none_left]), pause);
    assert_eq!(pace(&[&now, &none_left, &plenty]), pause);
    let replenished = [none_left[0], ("x-ratelimit-reset-minute", "0")];
    let is_rate = |pace| matches!(pace, Some(Pace::Rate { .. }));
    assert!(is_rate(pace(&[&replenished, &plenty])));
    let unknown = [("x-ratelimit-remaining-requests", "0")];
    let all = pace(&[&unknown, &replenished, &plenty]);
    assert_eq!(all, Some(Pace::Pause(None)));
}

/// The first version left it out, as it must be of the wait itself.
#[test]
fn the_guard_is_a_part_of_a_pause() {
    let signals = read(&[
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1696004807"),
    ]);
    assert_eq!(signals.wait(), secs(10));
    let pause = signals.pace(&Pacing::default());
    assert_eq!(pause, Some(Pace::Pause(secs(11))));
}

/// khive's `min_rate` defeated a smaller safe rate, and its rate could exceed the configured one.
#[test]
fn the_pace_stays_within_its_bounds() {
    let signals = read(&[
        ("x-ratelimit-remaining", "10"),
        ("x-ratelimit-reset", "100"),
    ]);
    let pace = |min, max| signals.pace(&Pacing::new(0.5, min, max).unwrap());
    let once_in = |seconds| {
        Some(Pace::Rate {
            events: 1,
            period: Duration::from_secs(seconds),
        })
    };
    assert_eq!(pace(0.0, 0.01), once_in(100));
    assert_eq!(pace(0.25, 1.0), once_in(4));
    let even = Pace::Rate {
        events: 10,
        period: Duration::from_secs(200),
    };
    assert_eq!(pace(0.0, 1.0), Some(even));
}

#[test]
fn tokens_and_bytes_do_not_pace_requests() {
    let signals = read(&[
        ("x-ratelimit-remaining-tokens", "1000"),
        ("x-ratelimit-reset-tokens", "1s"),
    ]);
    assert_eq!(signals.limits()[0].unit.as_deref(), Some("tokens"));
    assert_eq!(signals.pace(&Pacing::default()), None);
}

#[test]
fn a_pacing_that_makes_no_sense_is_refused_by_name_value_and_rule() {
    for (safety, min, max, text) in [
        (
            0.0,
            0.0,
            1.0,
            "safety is 0, but must be above 0 and at most 1",
        ),
        (
            1.5,
            0.0,
            1.0,
            "safety is 1.5, but must be above 0 and at most 1",
        ),
        (
            f64::NAN,
            0.0,
            1.0,
            "safety is NaN, but must be above 0 and at most 1",
        ),
        (
            0.9,
            -1.0,
            1.0,
            "min_rate is -1, but must be finite and not negative",
        ),
        (0.9, 0.0, f64::NAN, "max_rate is NaN, but must be above 0"),
        (
            0.9,
            2.0,
            1.0,
            "max_rate is 1, but must be at least min_rate",
        ),
    ] {
        assert_eq!(Pacing::new(safety, min, max).unwrap_err().to_string(), text);
    }
}

/// `tower_governor` and `actix-governor` send `Duration::as_secs()`: 900 ms go out as `0`.
#[test]
fn what_is_sent_is_rounded_up() {
    assert_eq!(emit::retry_after(Duration::from_millis(900)), "1");
    assert_eq!(emit::retry_after(Duration::from_secs(2)), "2");
    assert_eq!(emit::retry_after(Duration::MAX), "999999999");
}

#[test]
fn what_cannot_be_said_is_not_sent() {
    assert_eq!(emit::rate_limit([&Limit::named("quota")]), None);
    assert_eq!(emit::rate_limit_policy([&Limit::default()]), None);
    let mut unspeakable = Limit::named("größe");
    unspeakable.remaining = Some(1);
    assert_eq!(emit::rate_limit([&unspeakable]), None);
    let mut huge = Limit::named("a \"quoted\" name");
    huge.remaining = Some(u64::MAX);
    huge.reset = Some(Duration::MAX);
    let value = emit::rate_limit([&huge]).unwrap();
    assert_eq!(
        value,
        r#""a \"quoted\" name";r=999999999999999;t=999999999"#
    );
}

/// The first version called both `default`, so that the first one's quota came back as the second one's.
#[test]
fn several_limits_without_a_name_come_back_as_they_were() {
    let limit = |quota, left, window| {
        let mut limit = Limit::default();
        limit.limit = Some(quota);
        limit.remaining = left;
        limit.window = secs(window);
        limit
    };
    let told = [(10, Some(3), 1), (500, None, 60), (1000, Some(0), 3600)];
    let limits = told.map(|(quota, left, window)| limit(quota, left, window));
    let sent = emit::rate_limit(&limits).unwrap();
    let policy = emit::rate_limit_policy(&limits).unwrap();
    assert_eq!(sent, r#""default";r=3, "default-3";r=0"#);
    let read = read(&[
        ("ratelimit", sent.to_str().unwrap()),
        ("ratelimit-policy", policy.to_str().unwrap()),
    ]);
    let mut read: Vec<_> = read.limits().iter().collect();
    read.sort_by_key(|limit| limit.window);
    for (read, (quota, left, window)) in read.into_iter().zip(told) {
        assert_eq!((read.limit, read.remaining), (Some(quota), left));
        assert_eq!(read.window, secs(window));
    }
}

/// The first version sent 10 KiB, of which its own reader took nothing.
#[test]
fn what_is_sent_is_never_too_long_to_be_read() {
    let limits = (0..64).map(|n| {
        let mut limit = Limit::named(format!("{n}{}", "x".repeat(150)));
        limit.remaining = Some(n);
        limit
    });
    let limits: Vec<_> = limits.collect();
    let sent = emit::rate_limit(&limits).unwrap();
    assert!((Signals::MAX_VALUE_LEN - 200..=Signals::MAX_VALUE_LEN).contains(&sent.len()));
    let read = read(&[("ratelimit", sent.to_str().unwrap())]);
    let left = read.limits().iter().map(|limit| limit.remaining);
    assert!(read.limits().len() > 40 && left.eq((0..64).map(Some).take(read.limits().len())));
}

#[cfg(feature = "json")]
mod bodies {
    use super::*;

    fn read(profile: &str, body: &str) -> Signals {
        let profile = Profile::named(profile).unwrap();
        read_as(&profile, &[]).with_body(body.as_bytes(), &profile)
    }

    #[test]
    fn a_spent_budget_forbids_a_retry() {
        for body in [
            r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#,
            r#"{"error":{"details":{"error_code":"enforced_spend_limit_reached"}}}"#,
        ] {
            let signals = read("generic", body);
            assert_eq!(signals.cause(), Some(Cause::Budget));
            assert_eq!(signals.directive(), Some(Directive::NoRetry));
        }
        let ramp = read(
            "anthropic",
            r#"{"error":{"details":{"error_code":"ramp_limit_exceeded"}}}"#,
        );
        assert_eq!(
            (ramp.cause(), ramp.directive()),
            (Some(Cause::Growth), None)
        );
    }

    /// The first version made floats of numbers: a tiny one wasn't read for its exponent, nor one above
    /// 2⁶⁴, and a huge one hid what else the body says.
    #[test]
    fn a_wait_of_any_size_is_read() {
        for (number, wait) in [
            ("0.000001", Duration::from_micros(1)),
            ("1e-6", Duration::from_micros(1)),
            ("1E+2", Duration::from_secs(100)),
            ("64.570000000000000001", Duration::new(64, 570_000_001)),
            ("1e999", Duration::MAX),
        ] {
            let told = read("generic", &format!(r#"{{"retry_after": {number}}}"#));
            assert_eq!(told.wait(), Some(wait), "{number}");
        }
        for number in ["100000000000000000000", "1e20", "1e30"] {
            let told = read("generic", &format!(r#"{{"retry_after": {number}}}"#));
            assert!(told.over_cap(Signals::CAP), "{number}");
        }
        let spent = r#"{"retry_after": 1e999, "error": {"code": "insufficient_quota"}}"#;
        assert_eq!(read("generic", spent).cause(), Some(Cause::Budget));
        assert_eq!(read("generic", r#"{"retry_after": -5}"#).wait(), None);
    }

    #[test]
    fn a_daily_quota_forbids_a_retry_unless_the_server_says_when() {
        let failure =
            r#"{"@type":"x/google.rpc.QuotaFailure","violations":[{"quotaId":"RequestsPerDay"}]}"#;
        let info = r#"{"@type":"x/google.rpc.RetryInfo","retryDelay":"36000s"}"#;
        let silent = read(
            "google",
            &format!(r#"{{"error":{{"details":[{failure}]}}}}"#),
        );
        assert_eq!(silent.cause(), Some(Cause::DailyQuota));
        assert_eq!(silent.directive(), Some(Directive::NoRetry));
        let told = read(
            "google",
            &format!(r#"{{"error":{{"details":[{failure},{info}]}}}}"#),
        );
        assert_eq!((told.directive(), told.wait()), (None, secs(36_000)));
    }

    #[test]
    fn a_message_is_only_read_under_the_profile_that_knows_its_wording() {
        let body =
            r#"{"error":{"code":"429","message":"Exceeded. Please retry after 37 seconds."}}"#;
        assert_eq!(read("azure-openai", body).wait(), secs(37));
        assert_eq!(read("generic", body).wait(), None);
    }

    #[test]
    fn a_header_is_trusted_more_than_the_body() {
        let profile = Profile::generic();
        let body = br#"{"retry_after":64.57}"#;
        let signals = read_as(&profile, &[("retry-after", "65")]).with_body(body, &profile);
        assert_eq!(signals.wait(), secs(65));
        let signals = read_as(&profile, &[]).with_body(body, &profile);
        assert_eq!(signals.wait(), Some(Duration::from_millis(64_570)));
        assert_eq!(signals.provenance().unwrap().source(), &Source::Body);
    }

    #[test]
    fn a_body_that_is_too_long_or_too_deep_says_nothing() {
        const SPENT: &str = r#"{"code": "insufficient_quota"}"#;
        let padding = " ".repeat(Signals::MAX_BODY_LEN);
        assert!(read("generic", &format!(r#"{{"retry_after":1}}{padding}"#)).is_empty());
        assert!(read("generic", &"[".repeat(10_000)).is_empty());
        let deep = format!("{}{}", r#"{"error":"#.repeat(10_000), "}".repeat(10_000));
        assert!(read("generic", &deep).is_empty());
        let at = |levels| format!("{}{SPENT}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(read("generic", &at(30)).cause(), Some(Cause::Budget));
        assert!(read("generic", &at(32)).is_empty());
    }
}
