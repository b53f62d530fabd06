use std::time::{Duration, Instant};

use crate::{Generator, Jitter};

/// Longer delays count as this one, so that no sum with an instant overflows. Tokio's own "far future".
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// When requests may leave. Pure: it is told the time.
#[derive(Debug)]
pub(crate) struct Spread {
    max_delay: Duration,
    idle: Option<Duration>,
    /// When the latest request left, or will.
    last: Option<Instant>,
    crowd: Option<Crowd>,
    generator: Generator,
}

/// Those who will leave together, as long as none has.
#[derive(Debug)]
struct Crowd {
    size: usize,
    /// When the latest request before them left.
    before: Option<Instant>,
}

impl Spread {
    pub(crate) fn new(max_delay: Duration, generator: Generator) -> Self {
        Self {
            max_delay: max_delay.min(LONGEST),
            idle: None,
            last: None,
            crowd: None,
            generator,
        }
    }

    /// The same with a state of its own.
    pub(crate) fn after_idle(&mut self, idle: Duration) -> Self {
        Self {
            idle: Some(idle),
            ..Self::new(self.max_delay, self.generator.split())
        }
    }

    pub(crate) fn with_generator(&self, generator: Generator) -> Self {
        Self {
            idle: self.idle,
            ..Self::new(self.max_delay, generator)
        }
    }

    /// When a request that comes at `now` may leave.
    pub(crate) fn leave_at(&mut self, now: Instant) -> Instant {
        let leave = match self.last {
            Some(last) if self.is_awake(last, now) => last.max(now),
            before => {
                self.crowd = Some(Crowd { size: 0, before });
                now + Jitter::full().delay(self.max_delay, &mut self.generator)
            }
        };
        match &mut self.crowd {
            Some(crowd) if leave > now => crowd.size += 1,
            _ => self.crowd = None,
        }
        self.last = Some(leave);
        leave
    }

    /// A request that was delayed has left.
    pub(crate) fn left(&mut self) {
        self.crowd = None;
    }

    /// A request that was to leave at `at` never will. If that was the last of those who were to leave
    /// then, it is as if they had never come.
    pub(crate) fn give_up(&mut self, at: Instant) {
        let Some(crowd) = self.crowd.as_mut().filter(|_| self.last == Some(at)) else {
            return;
        };
        crowd.size = crowd.size.saturating_sub(1);
        if crowd.size == 0 {
            self.last = crowd.before;
            self.crowd = None;
        }
    }

    fn is_awake(&self, last: Instant, now: Instant) -> bool {
        self.idle
            .is_some_and(|idle| now.saturating_duration_since(last) < idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    #[expect(
        clippy::disallowed_methods,
        reason = "an instant can't be made otherwise"
    )]
    fn origin() -> Instant {
        Instant::now()
    }

    fn all(max_delay: Duration) -> Spread {
        Spread::new(max_delay, Generator::seeded(7))
    }

    fn first(max_delay: Duration, idle: Duration) -> Spread {
        all(max_delay).after_idle(idle)
    }

    #[test]
    fn every_request_is_delayed_by_its_own_draw_up_to_the_maximum() {
        let (mut spread, now) = (all(SECOND), origin());
        let delays: Vec<_> = (0..100).map(|_| spread.leave_at(now) - now).collect();
        assert!(delays.iter().all(|delay| *delay <= SECOND));
        assert!(delays.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn the_first_of_all_requests_counts_as_one_after_an_idle_time() {
        let now = origin();
        assert!(first(SECOND, MINUTE).leave_at(now) > now);
    }

    #[test]
    fn whoever_comes_while_the_first_waits_leaves_with_it_and_not_ahead() {
        let (mut spread, now) = (first(MINUTE, SECOND), origin());
        let leave = spread.leave_at(now);
        assert!(leave - now > 2 * SECOND, "the draw is too short to tell");
        assert_eq!(spread.leave_at(now), leave);
        assert_eq!(spread.leave_at(now + 2 * SECOND), leave);
        assert_eq!(spread.leave_at(leave), leave);
    }

    #[test]
    fn a_steady_flow_is_not_delayed_again() {
        let (mut spread, start) = (first(SECOND, MINUTE), origin());
        let mut now = spread.leave_at(start);
        for _ in 0..100 {
            now += MINUTE - Duration::from_nanos(1);
            assert_eq!(spread.leave_at(now), now);
        }
        now += MINUTE;
        assert!(spread.leave_at(now) > now, "exactly the idle time is idle");
    }

    #[test]
    fn time_going_backwards_is_no_idleness() {
        let (mut spread, start) = (first(SECOND, MINUTE), origin() + MINUTE);
        let leave = spread.leave_at(start);
        assert_eq!(spread.leave_at(start - SECOND), leave);
    }

    /// The first version took the time at which it was to leave for one at which it had left: whoever came
    /// next went out undelayed.
    #[test]
    fn when_all_who_were_to_leave_give_up_it_is_as_if_they_had_never_come() {
        let (mut spread, now) = (first(MINUTE, SECOND), origin());
        let leave = spread.leave_at(now);
        assert_eq!(spread.leave_at(now + SECOND), leave);
        spread.give_up(leave);
        assert_eq!(spread.leave_at(now + SECOND), leave, "one still waits");
        (0..2).for_each(|_| spread.give_up(leave));
        assert!(spread.leave_at(leave) > leave, "nobody has ever left");
    }

    #[test]
    fn as_soon_as_one_has_left_the_others_may_give_up() {
        let (mut spread, now) = (first(MINUTE, SECOND), origin());
        let leave = spread.leave_at(now);
        assert_eq!(spread.leave_at(now), leave);
        spread.left();
        spread.give_up(leave);
        assert_eq!(spread.leave_at(leave), leave);

        let idle = leave + SECOND;
        let next = spread.leave_at(idle);
        assert!(next > idle);
        spread.give_up(next);
        assert_eq!(spread.last, Some(leave), "as it was before");
        let next = spread.leave_at(idle);
        spread.give_up(leave);
        assert_eq!(spread.leave_at(idle), next, "one of an earlier crowd");
    }

    #[test]
    fn the_largest_and_the_smallest_settings_do_not_overflow() {
        let now = origin();
        for max_delay in [Duration::ZERO, Duration::MAX] {
            for idle in [Duration::ZERO, Duration::MAX] {
                let mut spread = first(max_delay, idle);
                assert!((0..3).all(|_| spread.leave_at(now) >= now));
            }
        }
        assert_eq!(all(Duration::ZERO).leave_at(now), now);
    }
}
