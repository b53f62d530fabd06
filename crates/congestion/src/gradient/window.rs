use std::time::{Duration, Instant};

use tower_throttle_core::Outcome;

use super::{Nepers, usual::Usual};
use crate::{Bounds, Cause, Sample};

/// A window closes with so many calls, if it has been open for [`SHORTEST`] (Netflix's
/// `WindowedLimit` waits for 10, too).
const CALLS: u32 = 10;
const SHORTEST: Duration = Duration::from_millis(300);

/// A window closes with fewer calls after so many seconds, or after so many times their latency if that is longer.
const LONGEST: f64 = 2.0;
const LATENCIES: f64 = 3.0;

/// One call that takes longer than so many times what is usual counts as that.
pub(super) const EXTREME: f64 = 10.0;

/// The calls that were sent and answered since the last window closed.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// Calls that were sent up to then may tell of another limit.
    after: Option<Instant>,
    /// So many times as many calls are waited for.
    patience: f64,
    /// So many calls, then.
    enough: u32,
    opened: Option<Instant>,
    /// Not over before: a comparison for each call costs less than a difference.
    earliest: Option<Instant>,
    answered: u32,
    latencies: Mean,
    dropped: u32,
    throttled: u32,
    peak: u32,
}

impl Window {
    /// Sends everything away that is sent up to `now`.
    pub(super) fn after(now: Instant, usual: &Usual) -> Self {
        let longest = |latency: Nepers| whole_nanos(EXTREME * latency.exp());
        Self {
            after: Some(now),
            patience: usual.patience(),
            enough: Bounds::whole(f64::from(CALLS) * usual.patience()),
            opened: Some(now),
            earliest: now.checked_add(SHORTEST),
            latencies: Mean::up_to(usual.latency().map_or(u64::MAX, longest)),
            ..Self::default()
        }
    }

    /// Adds a call. False if it was sent before the limit was changed.
    pub(super) fn add(&mut self, sample: &Sample) -> bool {
        self.peak = self.peak.max(sample.in_flight);
        if self.after.is_some_and(|after| sample.started <= after) {
            return false;
        }
        if self.is_untouched()
            && self
                .earliest
                .is_none_or(|earliest| sample.started > earliest)
        {
            self.open(sample.started);
        }
        if sample.outcome == Outcome::Succeeded {
            self.answered = self.answered.saturating_add(1);
            self.latencies.add(nanos(sample.latency()));
        } else {
            self.dropped = self.dropped.saturating_add(1);
            let throttled = u32::from(sample.outcome == Outcome::Throttled);
            self.throttled = self.throttled.saturating_add(throttled);
        }
        true
    }

    /// Whether it has no call yet.
    fn is_untouched(&self) -> bool {
        self.calls() == 0
    }

    /// There was a pause.
    #[cold]
    fn open(&mut self, at: Instant) {
        self.opened = Some(at);
        self.earliest = at.checked_add(SHORTEST);
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        let open_for_long = self.earliest.is_some_and(|earliest| earliest <= now);
        open_for_long && (self.calls() >= self.enough || self.is_overdue(now))
    }

    #[cold]
    fn is_overdue(&self, now: Instant) -> bool {
        let open_for = self.length(now);
        let latencies = LATENCIES * self.patience;
        open_for >= LONGEST && open_for >= latencies * self.latency().map_or(0.0, f64::exp)
    }

    /// For how long it has been open, in seconds.
    pub(super) fn length(&self, now: Instant) -> f64 {
        let length = self
            .opened
            .map(|opened| now.saturating_duration_since(opened));
        length.unwrap_or_default().as_secs_f64()
    }

    /// The geometric mean of the latencies.
    pub(super) fn latency(&self) -> Option<Nepers> {
        (self.answered > 0).then(|| self.latencies.all().of(f64::from(self.answered)))
    }

    /// How much the logarithms of the latencies vary.
    pub(super) fn variance(&self) -> Option<f64> {
        (self.answered > 1).then(|| self.latencies.all().variance(self.answered))
    }

    /// Throttled or failed calls, of all.
    pub(super) fn drop_share(&self) -> f64 {
        f64::from(self.dropped) / f64::from(self.calls().max(1))
    }

    /// Throttled calls, of all.
    pub(super) fn refused_share(&self) -> f64 {
        f64::from(self.throttled) / f64::from(self.calls().max(1))
    }

    pub(super) fn drop_cause(&self) -> Cause {
        if self.throttled > 0 {
            Cause::Throttled
        } else {
            Cause::Failed
        }
    }

    /// Calls that were answered.
    pub(super) fn answered(&self) -> u32 {
        self.answered
    }

    fn calls(&self) -> u32 {
        self.answered.saturating_add(self.dropped)
    }

    /// The most in flight at once, as far as calls tell that were answered meanwhile.
    pub(super) fn peak(&self) -> u32 {
        self.peak
    }
}

impl Default for Window {
    fn default() -> Self {
        Self {
            after: None,
            patience: 1.0,
            enough: CALLS,
            opened: None,
            earliest: None,
            answered: 0,
            latencies: Mean::up_to(u64::MAX),
            dropped: 0,
            throttled: 0,
            peak: 0,
        }
    }
}

fn nanos(latency: Duration) -> u64 {
    let secs = latency.as_secs().saturating_mul(1_000_000_000);
    secs.saturating_add(u64::from(latency.subsec_nanos()))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time above zero, and the cast saturates"
)]
fn whole_nanos(secs: f64) -> u64 {
    (secs * 1e9) as u64
}

/// A geometric mean: one slow call in a hundred doesn't count as a hundred.
///
/// A product costs a tenth of a logarithm.
#[derive(Debug, Clone)]
struct Mean {
    /// The longest that counts, in nanoseconds.
    longest: u64,
    /// The nanoseconds of the last call. They are counted when the next is over: whoever ends a call holds a lock,
    /// and would wait for the arithmetic of a number that has only just become known.
    last: Option<u64>,
    /// Of nanoseconds.
    product: f64,
    /// Of what the product was, whenever it became too large.
    sum: Nepers,
    /// Nanoseconds.
    total: f64,
}

impl Mean {
    fn up_to(longest: u64) -> Self {
        Self {
            longest,
            last: None,
            product: 1.0,
            sum: 0.0,
            total: 0.0,
        }
    }

    /// A call that took so many nanoseconds.
    fn add(&mut self, nanos: u64) {
        self.count_last();
        self.last = Some(nanos);
    }

    fn count_last(&mut self) {
        let Some(nanos) = self.last else {
            return;
        };
        // Exact up to a hundred days; and no more than 292 years, as a signed number converts sooner.
        #[expect(clippy::cast_precision_loss, reason = "a relative error of 1e-16")]
        let nanos = nanos.min(self.longest).clamp(1, u64::MAX >> 1) as f64;
        self.total += nanos;
        self.product *= nanos;
        if self.product > 1e200 {
            self.sum += self.product.ln();
            self.product = 1.0;
        }
    }

    /// With the last call.
    fn all(&self) -> Self {
        let mut all = self.clone();
        all.count_last();
        all
    }

    fn of(&self, count: f64) -> Nepers {
        (self.sum + self.product.ln()) / count - 1e9_f64.ln()
    }

    /// Of the logarithms, if they are distributed normally: the arithmetic mean is `e^(variance / 2)` times the
    /// geometric one then.
    fn variance(&self, count: u32) -> f64 {
        let count = f64::from(count);
        let arithmetic = (self.total / count / 1e9).ln();
        let all = 2.0 * (arithmetic - self.of(count)).max(0.0);
        all * count / (count - 1.0)
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "time has to begin somewhere; nothing here waits for it"
)]
mod tests {
    use super::*;

    fn call(sent: Instant, took: Duration) -> Sample {
        Sample::new(sent, sent + took, 1, Outcome::Succeeded)
    }

    /// One call a minute would tell nothing for ten minutes.
    #[test]
    fn a_window_closes_by_time_with_fewer_calls_than_ten() {
        let sent = Instant::now();
        let mut window = Window::default();
        window.add(&call(sent, Duration::from_millis(500)));

        assert!(!window.is_over(sent + Duration::from_millis(1999)));
        assert!(window.is_over(sent + Duration::from_millis(2000)));
    }

    #[test]
    fn a_window_is_open_for_three_times_what_its_calls_take() {
        let sent = Instant::now();
        let mut window = Window::default();
        window.add(&call(sent, Duration::from_secs(10)));

        assert!(!window.is_over(sent + Duration::from_secs(29)));
        assert!(window.is_over(sent + Duration::from_secs(31)));
    }

    /// A logarithm of zero would make a room that is no number of everything that is learnt afterwards.
    #[test]
    fn no_latency_at_all_counts_as_a_nanosecond() {
        let mut window = Window::default();
        window.add(&call(Instant::now(), Duration::ZERO));

        let latency = window.latency().expect("it was answered").exp();
        assert!((latency * 1e9 - 1.0).abs() < 1e-6, "{latency}");
    }

    /// One call that hung for hours, and was over at last, would have made of the server a slow one.
    #[test]
    fn a_call_that_hangs_counts_as_ten_times_what_is_usual() {
        let before = Instant::now();
        let mut window = Window::default();
        window.add(&call(before, Duration::from_millis(100)));
        let mut usual = Usual::default();
        usual.learn(&window);

        let mut window = Window::after(before, &usual);
        let sent = before + Duration::from_millis(1);
        window.add(&call(sent, Duration::from_secs(10_000)));

        let latency = window.latency().expect("it was answered").exp();
        assert!((latency - 1.0).abs() < 1e-6, "{latency}");
    }
}
