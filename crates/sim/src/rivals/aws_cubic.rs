use std::time::Instant;

use tower_throttle_core::{Limiter, Outcome, Snapshot, Wait};
use tower_throttle_jitter::Generator;

use super::bucket::Bucket;

/// What is left of the rate after a throttle.
const BETA: f64 = 0.7;
/// How steeply it grows again.
const SCALE: f64 = 0.4;
/// The weight of the latest half second in the measured rate.
const SMOOTH: f64 = 0.8;
/// The least rate per second.
const MIN_RATE: f64 = 0.5;
/// The most, in measured rates.
const MAX_GROWTH: f64 = 2.0;
/// How many of what the rate is measured in make a second.
const PER_SECOND: f64 = 2.0;

/// The adaptive mode of the AWS SDKs: a token bucket whose rate follows CUBIC.
///
/// Off until the first throttle. A throttle multiplies the rate, or what was measured if that is
/// less, by 0.7; every other response sets it to where the cubic curve is by then; it is never more than twice
/// what was measured, and never less than 0.5 per second. Measured are responses, in half seconds of
/// the wall clock.
///
/// The constants and the order of the steps were checked in botocore
/// (`botocore/retries/{adaptive,throttling,bucket}.py`) and smithy-rs
/// (`aws-smithy-runtime/src/client/retries/client_rate_limiter.rs`), whose test vectors it passes. It
/// takes one token for a retry, as botocore does; smithy-rs takes 5 (10 after a timeout).
#[derive(Debug)]
pub struct AwsCubic {
    enabled: bool,
    bucket: Bucket,
    measured: Measured,
    cubic: Cubic,
    started: Instant,
    /// What the wall clock showed then, less the whole seconds.
    fraction: f64,
}

impl AwsCubic {
    /// Starts disabled, at a random fraction of a second of the wall clock.
    #[must_use]
    pub fn new(now: Instant, generator: &mut Generator) -> Self {
        Self::at(generator.unit(), now)
    }

    fn at(fraction: f64, now: Instant) -> Self {
        Self {
            enabled: false,
            bucket: Bucket::new(0.0, 1.0, 1.0, now),
            measured: Measured::default(),
            cubic: Cubic::starting_at(fraction),
            started: now,
            fraction,
        }
    }

    fn respond(&mut self, is_throttled: bool, now: Instant) {
        let elapsed = now.saturating_duration_since(self.started).as_secs_f64();
        let time = self.fraction + elapsed;
        let measured = self.measured.record(time);
        let rate = if is_throttled {
            let rate = if self.enabled {
                measured.min(self.bucket.per_second())
            } else {
                measured
            };
            self.enabled = true;
            self.cubic.throttled(rate, time)
        } else {
            self.cubic.delivered(time)
        };
        let rate = rate.min(MAX_GROWTH * measured);
        self.bucket.refill(now);
        self.bucket.resize(rate.max(1.0), rate.max(MIN_RATE));
    }
}

/// What was taken: a token, if the limit was on.
#[derive(Debug, PartialEq, Eq)]
pub struct AwsPermit {
    is_token: bool,
}

impl Limiter for AwsCubic {
    type Cost = ();
    type Permit = AwsPermit;
    type Feedback = Outcome;

    fn check(&self, _cost: &(), now: Instant) -> Wait {
        if self.enabled {
            self.bucket.wait(now)
        } else {
            Wait::Now
        }
    }

    fn take(&mut self, _cost: (), at: Instant) -> AwsPermit {
        if self.enabled {
            self.bucket.take(at);
        }
        AwsPermit {
            is_token: self.enabled,
        }
    }

    fn cancel(&mut self, permit: AwsPermit, _now: Instant) {
        if permit.is_token {
            self.bucket.give_back();
        }
    }

    /// Whatever isn't a throttle counts as a success.
    fn complete(&mut self, _permit: AwsPermit, feedback: Option<Outcome>, now: Instant) {
        if let Some(outcome) = feedback {
            self.respond(outcome == Outcome::Throttled, now);
        }
    }

    fn describe(&self, snapshot: &mut Snapshot, _now: Instant) {
        snapshot.rate = self.enabled.then(|| self.bucket.per_second());
    }
}

/// The rate of responses, smoothed over half seconds.
#[derive(Debug, Default)]
struct Measured {
    rate: f64,
    count: f64,
    /// When the half second began that is being counted. (The first begins with a whole second.)
    since: f64,
}

impl Measured {
    fn record(&mut self, time: f64) -> f64 {
        let half_second = (time * PER_SECOND).floor() / PER_SECOND;
        self.count += 1.0;
        if half_second > self.since {
            let latest = self.count / (half_second - self.since);
            self.rate = latest * SMOOTH + self.rate * (1.0 - SMOOTH);
            self.count = 0.0;
            self.since = half_second;
        }
        self.rate
    }
}

/// The curve on which the rate grows back to what it was, lingers there, and goes beyond.
#[derive(Debug)]
struct Cubic {
    w_max: f64,
    throttled_at: f64,
}

impl Cubic {
    fn starting_at(time: f64) -> Self {
        Self {
            w_max: 0.0,
            throttled_at: time,
        }
    }

    fn throttled(&mut self, rate: f64, time: f64) -> f64 {
        self.w_max = rate;
        self.throttled_at = time;
        rate * BETA
    }

    fn delivered(&self, time: f64) -> f64 {
        SCALE * (time - self.throttled_at - self.k()).powi(3) + self.w_max
    }

    /// How long after a throttle the old rate is reached.
    fn k(&self) -> f64 {
        (self.w_max * (1.0 - BETA) / SCALE).cbrt()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rivals::testing::start;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * b.abs()
    }

    // The vectors of botocore (`test_throttling.py`) and smithy-rs (`test_calculated_rate_with_successes`).
    #[test]
    fn the_curve_is_that_of_the_sdks() {
        let mut cubic = Cubic::starting_at(5.0);
        assert!(near(cubic.throttled(10.0, 5.0), 7.0));
        assert!(near(cubic.k(), 1.957_433_820_584_431_7));
        for (time, rate) in [
            (5.0, 7.0),
            (6.0, 9.648_936_009_66),
            (7.0, 10.000_030_849_917_364),
            (8.0, 10.453_284_520_772_092),
            (9.0, 13.408_697_022_224_185),
            (10.0, 21.266_268_354_273_64),
            (11.0, 36.425_998_516_920_465),
        ] {
            assert!(near(cubic.delivered(time), rate), "at {time}");
        }
        assert!(near(cubic.throttled(8.0, 12.0), 5.6));
        assert!(near(cubic.k(), 1.817_120_592_832_139_7));
    }

    // The vectors of smithy-rs (`test_client_sending_rates`): a response every 200 ms.
    #[test]
    fn the_rate_follows_responses_as_in_the_sdks() {
        let t0 = start();
        let mut aws = AwsCubic::at(0.0, t0);
        for (step, (is_throttled, measured, rate)) in (1_u32..).zip([
            (false, 0.0, 0.5),
            (false, 0.0, 0.5),
            (false, 4.8, 0.5),
            (false, 4.8, 0.5),
            (false, 4.16, 0.5),
            (false, 4.16, 0.6912),
            (false, 4.16, 1.0976),
            (false, 5.632, 1.6384),
            (false, 5.632, 2.3328),
            (true, 4.3264, 3.02848),
            (false, 4.3264, 3.486_639_173_470_26),
            (false, 4.3264, 3.821_874_416_040_255),
            (false, 5.66528, 4.053_385_727_709_987),
            (false, 5.66528, 4.200_373_108_479_454),
            (false, 4.333_056, 4.282_036_558_348_658),
            (true, 4.333_056, 2.997_425_590_844_06),
            (false, 4.333_056, 3.452_226_394_386_346_3),
        ]) {
            aws.respond(is_throttled, t0 + Duration::from_millis(200) * step);
            assert!(near(aws.measured.rate, measured), "step {step}");
            assert!(near(aws.bucket.per_second(), rate), "step {step}");
        }
    }

    // The vector of botocore (`test_times_are_grouped_per_time_bucket`).
    #[test]
    fn responses_are_counted_by_half_seconds() {
        let mut measured = Measured::default();
        for time in [0.1, 0.2, 0.3, 0.4, 0.49] {
            assert!(near(measured.record(time), 0.0));
        }
        assert!(near(measured.record(0.5), 9.6));
    }

    #[test]
    fn it_is_off_until_the_first_throttle() {
        let t0 = start();
        let mut aws = AwsCubic::at(0.0, t0);
        for _ in 0..1000 {
            assert_eq!(aws.check(&(), t0), Wait::Now);
            let permit = aws.take((), t0);
            aws.complete(permit, Some(Outcome::Failed), t0);
        }
        let permit = aws.take((), t0);
        aws.complete(permit, Some(Outcome::Throttled), t0);
        assert!(matches!(aws.check(&(), t0), Wait::Until(_)));
    }

    // A defect of the SDKs: nothing is measured before the first half second is over.
    #[test]
    fn an_early_throttle_leaves_the_least_rate() {
        let t0 = start();
        let mut aws = AwsCubic::at(0.0, t0);
        (0..50).for_each(|_| aws.respond(false, t0));
        aws.respond(true, t0 + Duration::from_millis(400));
        assert!(near(aws.bucket.per_second(), MIN_RATE));
    }
}
