use std::time::Duration;

use tower_throttle_core::Invalid;

use super::{Signals, limit::Limit};

/// How to pace requests by what a server discloses: see [`Signals::pace`].
///
/// The default is a safety of [`SAFETY`](Self::SAFETY), no least and no greatest rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pacing {
    safety: f64,
    min_rate: f64,
    max_rate: f64,
}

/// At what pace to go on.
///
/// The rate is neutral: `Rate::per(events, period)` of the token bucket takes it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Not at all for so long, the [guard](Signals::guard) included; `None` if there is no telling how
    /// long, and one's own backoff has to do.
    Pause(Option<Duration>),
    /// So many requests in so long. Neither is zero.
    Rate {
        /// How many requests.
        events: u32,
        /// In how long.
        period: Duration,
    },
}

/// A quota is never taken to be replenished sooner than this (khive): dividing by less gives absurd
/// rates.
const MIN_RESET: Duration = Duration::from_secs(1);
/// Nor later than in 100 years, so that all products fit.
const MAX_RESET: Duration = Duration::from_secs(100 * 365 * 86_400);
const NS_PER_SECOND: u128 = 1_000_000_000;

impl Pacing {
    /// Which part of what remains is spent, if nothing else is said: 0.9 (khive). The rest is for
    /// whoever else draws on the quota.
    pub const SAFETY: f64 = 0.9;

    /// Spends the part `safety` of what remains, at no less than `min_rate` and no more than
    /// `max_rate` requests per second (to the nanosecond between two requests, rounded up).
    ///
    /// If there is to be no `min_rate`, say 0: what remains is spent evenly however little it is. A larger one
    /// keeps a trickle going, at the price of an exhausted quota before its reset. If there
    /// is to be no `max_rate`, say [`f64::INFINITY`]; but the server doesn't know how many others share the quota,
    /// so the configured rate is the better choice.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless `safety` is above 0 and at most 1, `min_rate` finite and not negative, and
    /// `max_rate` above 0 and at least `min_rate`.
    ///
    /// ```
    /// use tower_throttle_retry_after::Pacing;
    ///
    /// assert!(Pacing::new(Pacing::SAFETY, 0.0, 50.0).is_ok());
    /// let error = Pacing::new(Pacing::SAFETY, 2.0, 1.0).unwrap_err();
    /// assert_eq!(error.to_string(), "max_rate is 1, but must be at least min_rate");
    /// ```
    pub fn new(safety: f64, min_rate: f64, max_rate: f64) -> Result<Self, Invalid> {
        let refused = |field, value: f64, rule| Err(Invalid::new(field, value, rule));
        if !(safety > 0.0 && safety <= 1.0) {
            return refused("safety", safety, "above 0 and at most 1");
        }
        if !(min_rate >= 0.0 && min_rate.is_finite()) {
            return refused("min_rate", min_rate, "finite and not negative");
        }
        if max_rate.is_nan() || max_rate <= 0.0 {
            return refused("max_rate", max_rate, "above 0");
        }
        if max_rate < min_rate {
            return refused("max_rate", max_rate, "at least min_rate");
        }
        Ok(Self {
            safety,
            min_rate,
            max_rate,
        })
    }

    /// The pace that spends `left` evenly over `reset` nanoseconds.
    fn spread(&self, left: u64, reset: u128) -> Pace {
        let events = u32::try_from(left).unwrap_or(u32::MAX);
        // If there are more than fit: as many as fit, in as much less time.
        let period = (reset * u128::from(events)).div_ceil(u128::from(left));
        let stretch = interval(self.safety);
        let period = period.saturating_mul(stretch).div_ceil(NS_PER_SECOND);
        self.clamp(events, period)
    }

    fn clamp(&self, events: u32, period: u128) -> Pace {
        let (shortest, longest) = (interval(self.max_rate), interval(self.min_rate));
        let times = u128::from(events);
        match period {
            period if period < times.saturating_mul(shortest) => Pace::rate(1, shortest),
            period if period > times.saturating_mul(longest) => Pace::rate(1, longest),
            period => Pace::rate(events, period),
        }
    }
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            safety: Self::SAFETY,
            min_rate: 0.0,
            max_rate: f64::INFINITY,
        }
    }
}

impl Pace {
    fn rate(events: u32, period: u128) -> Self {
        let period = u64::try_from(period).map_or(Duration::MAX, Duration::from_nanos);
        Self::Rate { events, period }
    }
}

impl Signals {
    /// The pace that spends what remains evenly until it is replenished; `None` if nothing was
    /// disclosed to go by.
    ///
    /// A [wait](Self::wait) is a pause, and so is an exhausted limit that isn't replenished by now,
    /// whatever other limits and a wait of zero say. Otherwise the rate is
    /// `safety · remaining / reset` (khive), made sound: the reset counts as 1 s at least, the window
    /// stands in for a reset that isn't told, the rate stays within the bounds of `pacing`, and where
    /// several limits disagree the slowest counts. Limits on something other than requests (tokens,
    /// bytes) have no say, and those picked out of a malformed field as the
    /// [last resort](Limit::is_last_resort) only if another limit has: they can make it slower, not
    /// faster.
    ///
    /// Rounded so that the rate is never above what it says here.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use http::{HeaderMap, HeaderName, StatusCode};
    /// use tower_throttle_retry_after::{Pace, Pacing, Profile, Signals};
    ///
    /// let header = |name, value: &str| (HeaderName::from_static(name), value.parse().unwrap());
    /// let headers = HeaderMap::from_iter([
    ///     header("x-ratelimit-limit", "100"),
    ///     header("x-ratelimit-remaining", "80"),
    ///     header("x-ratelimit-reset", "40"),
    /// ]);
    /// let signals = Signals::read(&headers, StatusCode::OK, &Profile::generic(), UNIX_EPOCH);
    ///
    /// let pace = signals.pace(&Pacing::new(0.5, 0.0, 10.0)?);
    /// assert_eq!(pace, Some(Pace::Rate { events: 80, period: Duration::from_secs(80) }));
    ///
    /// let slower = signals.pace(&Pacing::new(0.5, 0.0, 0.5)?);
    /// assert_eq!(slower, Some(Pace::Rate { events: 1, period: Duration::from_secs(2) }));
    /// # Ok::<(), tower_throttle_core::Invalid>(())
    /// ```
    #[must_use]
    pub fn pace(&self, pacing: &Pacing) -> Option<Pace> {
        match self.pause() {
            Some(pause) => Some(Pace::Pause(pause)),
            None => self.rate(pacing),
        }
    }

    fn pause(&self) -> Option<Option<Duration>> {
        let wait = self.wait().filter(|wait| !wait.is_zero());
        if let Some(wait) = wait {
            return Some(Some(wait.saturating_add(self.guard())));
        }
        let limits = self.limits().iter();
        let spent = limits.filter(|limit| limit.exhausted() && limit.reset != Some(Duration::ZERO));
        spent.map(Limit::until_reset).max()
    }

    fn rate(&self, pacing: &Pacing) -> Option<Pace> {
        let limits = self.limits().iter();
        let told = limits.filter_map(|limit| Some((limit, spendable(limit)?)));
        let told: Vec<_> = told.collect();
        let trusted = told.iter().any(|(limit, _)| !limit.is_last_resort());
        let slowest = told.into_iter().map(|(_, budget)| budget).reduce(slower);
        let (left, reset) = slowest.filter(|_| trusted)?;
        Some(pacing.spread(left, reset))
    }
}

/// How many requests are left, and for how many nanoseconds they have to do.
fn spendable(limit: &Limit) -> Option<(u64, u128)> {
    let left = limit
        .remaining
        .filter(|left| *left > 0 && limit.counts_requests())?;
    let reset = limit.reset.or(limit.window)?.clamp(MIN_RESET, MAX_RESET);
    Some((left, reset.as_nanos()))
}

fn slower(a: (u64, u128), b: (u64, u128)) -> (u64, u128) {
    let b_is_slower = u128::from(b.0) * a.1 < u128::from(a.0) * b.1;
    if b_is_slower { b } else { a }
}

/// Nanoseconds between events at so many per second, rounded up.
fn interval(rate: f64) -> u128 {
    let exact = rate.recip();
    let Ok(interval) = Duration::try_from_secs_f64(exact) else {
        return Duration::MAX.as_nanos();
    };
    interval.as_nanos() + u128::from(interval.as_secs_f64() < exact)
}
