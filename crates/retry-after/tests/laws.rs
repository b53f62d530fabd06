//! What holds for any response.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::{prelude::*, sample::select};
use tower_throttle_retry_after::{
    Limit, Pace, Pacing, Profile, ResetFormat, ResetHeader, Signals, emit,
};

/// Every header that is read by name, one of each family, and the two that tell the time.
const HEADERS: &[&str] = &[
    "age",
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-unified-5h-utilization",
    "date",
    "grpc-retry-pushback-ms",
    "grpc-status",
    "grpc-status-details-bin",
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-observed",
    "ratelimit-policy",
    "ratelimit-remaining",
    "ratelimit-reset",
    "ratelimit-resettime",
    "retry-after",
    "retry-after-ms",
    "stripe-rate-limited-reason",
    "x-amz-retry-after",
    "x-envoy-overloaded",
    "x-hubspot-ratelimit-daily",
    "x-hubspot-ratelimit-interval-milliseconds",
    "x-hubspot-ratelimit-remaining",
    "x-ms-retry-after-ms",
    "x-rate-limit",
    "x-rate-limit-reset",
    "x-ratelimit",
    "x-ratelimit-after",
    "x-ratelimit-interval-seconds",
    "x-ratelimit-limit",
    "x-ratelimit-limit-99999999999999999999d",
    "x-ratelimit-limit-minute",
    "x-ratelimit-next",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-reset-after",
    "x-ratelimit-retry-after",
    "x-ratelimit-used",
    "x-retry-after",
    "x-rl-remaining",
    "x-sentry-rate-limits",
    "x-shopify-shop-api-call-limit",
    "x-should-retry",
    "zendesk-ratelimit-tickets-index",
];

/// What values are made of, so that some of them come close to making sense.
const PIECES: &[&str] = &[
    " ",
    "  ",
    ",",
    ", ",
    ";",
    ":",
    "=",
    "\"",
    "(",
    ")",
    "-",
    "+",
    ".",
    "/",
    "e",
    "{",
    "}",
    "[",
    "]",
    "0",
    "1",
    "5",
    "007",
    "60",
    "1e999",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999999",
    "1696004857",
    "1696004857000",
    "0.000000000000000000001",
    "-1",
    "inf",
    "NaN",
    "s",
    "ms",
    "us",
    "µs",
    "m",
    "h",
    "Fri",
    "Friday",
    "29",
    "Sep",
    "29 Sep 2023",
    "29-Sep-23",
    "29-Feb-00",
    "16:26:57",
    "23:59:60",
    "GMT",
    "+0200",
    "-2400",
    "2023",
    "9999",
    "2023-09-29T16:26:57.25Z",
    "0000-01-01T00:00Z",
    "9999-12-31T23:59:60-23:59",
    "\"default\";r=0;t=30",
    "\"burst\";q=100;w=60",
    "limit=",
    "reset=",
    "remaining=",
    ";w=",
    ";r=",
    ";t=",
    "r",
    "t",
    "q",
    "w",
    "120:error;session:org",
    "32/40",
    "true",
    "CgoICAEQgMq17gE",
    "\u{661}",
    "{\"limit\":5,\"until\":\"2023\"}",
    "\\",
];

fn value() -> impl Strategy<Value = HeaderValue> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    let pieces = prop::collection::vec(select(PIECES), 0..12);
    let text = prop_oneof![
        bytes,
        pieces.prop_map(|pieces| pieces.concat().into_bytes()),
        (select(PIECES), 1_usize..600).prop_map(|(piece, n)| piece.repeat(n).into_bytes()),
    ];
    text.prop_map(|mut text| {
        text.retain(|byte| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f);
        HeaderValue::from_bytes(&text).unwrap()
    })
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let header = select(HEADERS).prop_map(HeaderName::from_static);
    prop::collection::vec((header, value()), 0..12).prop_map(HeaderMap::from_iter)
}

fn profile() -> impl Strategy<Value = Profile> {
    let names: Vec<_> = Profile::names().collect();
    let resets = [
        ResetHeader {
            name: http::header::RETRY_AFTER,
            format: ResetFormat::Seconds,
        },
        ResetHeader {
            name: HeaderName::from_static("x-ratelimit-reset"),
            format: ResetFormat::UnixTimestamp,
        },
    ];
    (select(names), any::<bool>(), any::<Duration>()).prop_map(move |(name, strict, time)| {
        let profile = Profile::named(name).unwrap();
        let profile = profile.backoff(time).window(time).max_interval(time);
        let profile = profile.reset_headers(resets.clone());
        if strict { profile.strict() } else { profile }
    })
}

fn now() -> impl Strategy<Value = SystemTime> {
    any::<(bool, Duration)>().prop_map(|(before, time)| {
        let now = match before {
            true => UNIX_EPOCH.checked_sub(time),
            false => UNIX_EPOCH.checked_add(time),
        };
        now.unwrap_or(UNIX_EPOCH)
    })
}

fn status() -> impl Strategy<Value = StatusCode> {
    (100_u16..1000).prop_map(|status| StatusCode::from_u16(status).unwrap())
}

fn read(headers: &[(&str, &str)]) -> Signals {
    let headers = headers.iter().map(|(name, value)| {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        (name.parse::<HeaderName>().unwrap(), value)
    });
    let headers = HeaderMap::from_iter(headers);
    let now = UNIX_EPOCH + Duration::from_secs(1_696_004_797);
    Signals::read(
        &headers,
        StatusCode::TOO_MANY_REQUESTS,
        &Profile::generic(),
        now,
    )
}

fn wait(header: &str, value: &str) -> Option<Duration> {
    read(&[(header, value)]).wait()
}

fn check(signals: &Signals) -> Result<(), TestCaseError> {
    prop_assert!(signals.limits().len() <= Signals::MAX_LIMITS);
    prop_assert!(signals.unread().len() <= 16);
    prop_assert_eq!(signals.saturated(), signals.wait() == Some(Duration::MAX));
    prop_assert_eq!(signals.binding().is_some(), !signals.limits().is_empty());
    prop_assert!(!signals.over_cap(Duration::MAX));
    for limit in signals.limits() {
        prop_assert_ne!(limit.window, Some(Duration::ZERO));
        prop_assert_eq!(
            limit.reset,
            limit.provenance().map(|reading| reading.wait())
        );
    }
    for reading in signals.readings().chain(signals.provenance()) {
        prop_assert!(reading.raw().chars().count() <= 81);
        prop_assert!(!reading.to_string().is_empty());
    }
    match signals.pace(&Pacing::default()) {
        Some(Pace::Rate { events, period }) => prop_assert!(events > 0 && !period.is_zero()),
        Some(Pace::Pause(time)) => {
            let wait = signals.wait().filter(|wait| !wait.is_zero());
            let wait = wait.map(|wait| wait.saturating_add(signals.guard()));
            let spent = signals.limits().iter().any(Limit::exhausted);
            prop_assert!(wait.map_or(spent, |wait| time == Some(wait)));
        }
        None => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_headers_are_read_without_a_panic(
        headers in headers(),
        trailers in headers(),
        profile in profile(),
        status in status(),
        now in now(),
    ) {
        let signals = Signals::read(&headers, status, &profile, now);
        check(&signals)?;
        check(&signals.with_trailers(&trailers, &profile))?;
    }

    #[cfg(feature = "json")]
    #[test]
    fn any_body_is_read_without_a_panic(
        pieces in prop::collection::vec(select(BODY_PIECES), 0..24),
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        profile in profile(),
    ) {
        let signals = Signals::read(&HeaderMap::new(), StatusCode::FORBIDDEN, &profile, UNIX_EPOCH);
        check(&signals.clone().with_body(pieces.concat().as_bytes(), &profile))?;
        check(&signals.with_body(&bytes, &profile))?;
    }
}

#[cfg(feature = "json")]
const BODY_PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "{\"error\":",
    "\"retry_after\":",
    "\"message\":",
    "\"@type\":",
    "\"google.rpc.RetryInfo\"",
    "\"retryDelay\":",
    "\"46s\"",
    "\"quotaErrorDetails\":",
    "1e999",
    "-5",
    "64.57",
    "1e-7",
    "\"retry after 37 seconds\"",
    "18446744073709551616",
    "null",
    "\"violations\":",
    "\"quotaId\":",
    "\"code\":",
    "\"insufficient_quota\"",
];

/// Two numbers in order, of up to 60 digits.
fn ordered() -> impl Strategy<Value = (String, String)> {
    let number = || "[1-9][0-9]{0,59}|0";
    (number(), number()).prop_map(|(a, b)| match (a.len(), &a) <= (b.len(), &b) {
        true => (a, b),
        false => (b, a),
    })
}

/// Two values in order, as one header would have them.
fn ordered_values() -> impl Strategy<Value = (&'static str, String, String)> {
    let delta = (0_u64..1_000_000_000, 0_u64..1_000_000_000);
    let delta = delta.prop_map(|(a, b)| (a.min(b), a.max(b)));
    let moment = (0_i64..253_402_300_799, 0_i64..253_402_300_799);
    let moment = moment.prop_map(|(a, b)| (a.min(b), a.max(b)));
    let dates = |header, format: &'static str| {
        moment
            .clone()
            .prop_map(move |(a, b)| (header, date(a, format), date(b, format)))
    };
    let spelt = |header, spell: fn(&str) -> String| {
        ordered().prop_map(move |(a, b)| (header, spell(&a), spell(&b)))
    };
    prop_oneof![
        delta
            .clone()
            .prop_map(|(a, b)| ("retry-after", a.to_string(), b.to_string())),
        delta.prop_map(|(a, b)| ("retry-after", format!("0.{a:09}"), format!("0.{b:09}"))),
        (0_u32..2000, 0_u32..2000).prop_map(|(a, b)| {
            (
                "retry-after-ms",
                format!("1e{}", a.min(b)),
                format!("1e{}", a.max(b)),
            )
        }),
        dates("retry-after", "%a, %d %b %Y %H:%M:%S GMT"),
        dates("retry-after", "%a %b %e %H:%M:%S %Y"),
        dates("retry-after", "%Y-%m-%dT%H:%M:%SZ"),
        spelt("retry-after-ms", str::to_owned),
        spelt("x-ms-retry-after-ms", |n| format!("{n}.5")),
        spelt("x-amz-retry-after", str::to_owned),
        spelt("retry-after", |n| format!("{n}s")),
        spelt("retry-after", |n| format!("1h{n}m0.1s")),
        // From 13 digits on these are milliseconds since the epoch.
        spelt("retry-after", |n| format!("9{n:0>12}")),
        spelt("ratelimit", |n| format!("\"default\";r=0;t={n}")),
    ]
}

fn date(seconds: i64, format: &str) -> String {
    let moment =
        jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0) + jiff::SignedDuration::from_secs(seconds);
    moment.strftime(format).to_string()
}

proptest! {
    #[test]
    fn a_longer_wait_in_never_gives_a_shorter_wait_out((header, a, b) in ordered_values()) {
        let (short, long) = (wait(header, &a), wait(header, &b));
        prop_assert!(short.is_some() && short <= long, "{header}: {a} {short:?}, {b} {long:?}");
    }

    #[test]
    fn a_second_line_never_shortens_the_wait((header, a, b) in ordered_values()) {
        let both = read(&[(header, &a), (header, &b)]).wait();
        prop_assert_eq!(both, wait(header, &b));
    }

    #[test]
    fn a_longer_wait_in_stays_longer_under_the_aws_profile(
        (a, b) in ordered(),
        backoff in any::<Duration>(),
    ) {
        let profile = Profile::aws().backoff(backoff);
        let wait = |ms: &str| {
            let header = HeaderName::from_static("x-amz-retry-after");
            let headers = HeaderMap::from_iter([(header, ms.parse().unwrap())]);
            Signals::read(&headers, StatusCode::SERVICE_UNAVAILABLE, &profile, UNIX_EPOCH).wait()
        };
        prop_assert!(wait(&a) <= wait(&b));
        prop_assert!(wait(&a) >= Some(backoff));
        prop_assert!(wait(&b) <= Some(backoff.saturating_add(Duration::from_secs(5))));
    }

    #[test]
    fn what_is_emitted_as_retry_after_is_read_back_rounded_up(sent in any::<Duration>()) {
        let longest = Duration::from_secs(999_999_999);
        for sent in [sent, sent / 2_000_000_000] {
            let value = emit::retry_after(sent);
            let read = wait("retry-after", value.to_str().unwrap());
            prop_assert_eq!(read, Some(up(sent.min(longest))));
        }
    }

    #[test]
    fn what_is_emitted_as_limits_is_read_back(limits in prop::collection::vec(a_limit(), 1..6)) {
        let named = limits.into_iter().enumerate().map(|(at, mut limit)| {
            limit.name = limit.name.map(|name| format!("{name}{at}"));
            limit
        });
        let mut limits: Vec<_> = named.collect();
        let sent = emit::rate_limit(&limits).unwrap();
        let policy = emit::rate_limit_policy(&limits).unwrap();
        let read = read(&[
            ("ratelimit", sent.to_str().unwrap()),
            ("ratelimit-policy", policy.to_str().unwrap()),
        ]);
        prop_assert!(read.unread().is_empty());
        prop_assert_eq!(read.limits().len(), limits.len());
        let unnamed = limits.iter_mut().filter(|limit| limit.name.is_none());
        for (at, limit) in unnamed.enumerate() {
            let name = if at == 0 { "default".into() } else { format!("default-{}", at + 1) };
            limit.name = Some(name);
        }
        for (read, sent) in read.limits().iter().zip(&limits) {
            prop_assert_eq!(&read.name, &sent.name);
            prop_assert_eq!(read.limit, sent.limit);
            prop_assert_eq!(read.remaining, sent.remaining);
            prop_assert_eq!(&read.unit, &sent.unit);
            prop_assert_eq!(read.reset, sent.reset.map(up));
            prop_assert_eq!(read.window, sent.window.map(up));
            prop_assert!(!read.is_last_resort());
        }
    }

    #[test]
    fn a_pace_spends_no_more_than_the_safe_part_of_what_remains(
        remaining in 1_u64..,
        reset in 0_u64..1_000_000_000,
        safety in 0.001_f64..=1.0,
        max_rate in 0.001_f64..1e6,
    ) {
        let signals = read(&[
            ("x-ratelimit-remaining", &remaining.to_string()),
            ("x-ratelimit-reset", &reset.to_string()),
        ]);
        let pace = signals.pace(&Pacing::new(safety, 0.0, max_rate).unwrap());
        let Some(Pace::Rate { events, period }) = pace else {
            return Err(TestCaseError::fail("no rate"));
        };
        let rate = f64::from(events) / period.as_secs_f64();
        prop_assert!(rate <= max_rate * (1.0 + f64::EPSILON));
        #[expect(clippy::cast_precision_loss, reason = "a law about floats")]
        let even = remaining as f64 / reset.max(1) as f64;
        prop_assert!(rate <= safety * even * (1.0 + 4.0 * f64::EPSILON));
    }
}

fn up(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

prop_compose! {
    fn a_limit()(
        name in prop::option::of("[ -~]{1,12}"),
        limit in 0_u64..=999_999_999_999_999,
        remaining in 0_u64..=999_999_999_999_999,
        reset in prop::option::of((0_u64..999_999_999, 0_u32..1_000_000_000)),
        window in prop::option::of((0_u64..999_999_999, 1_u32..1_000_000_000)),
        unit in prop::option::of("content-bytes|concurrent-requests"),
    ) -> Limit {
        let mut made = name.map_or_else(Limit::default, Limit::named);
        made.limit = Some(limit);
        made.remaining = Some(remaining);
        made.reset = reset.map(|(seconds, nanos)| Duration::new(seconds, nanos));
        made.window = window.map(|(seconds, nanos)| Duration::new(seconds, nanos));
        made.unit = unit;
        made
    }
}
