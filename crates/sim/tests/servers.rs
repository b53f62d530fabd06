//! What each server promises, whatever comes.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use tower_throttle_sim::server::{
    Arrival, Bucket, FixedWindow, Queueing, Server, SlidingLog, Slots,
};

const WINDOW: Duration = Duration::from_secs(1);

/// When requests come, in milliseconds; time stands still now and then.
fn arrivals() -> impl Strategy<Value = Vec<Duration>> {
    vec(0_u64..400, 1..200).prop_map(|gaps| {
        let mut now = 0;
        let dates = gaps.into_iter().map(|gap| {
            now += gap.saturating_sub(100);
            Duration::from_millis(now)
        });
        dates.collect()
    })
}

fn accepted(server: &mut impl Server, dates: &[Duration]) -> Vec<Duration> {
    let mut dates = dates.to_vec();
    dates.retain(|&now| server.arrive(now) == Arrival::Accepted);
    dates
}

/// How many of `dates` lie in `[begin, begin + length)`.
fn within(dates: &[Duration], begin: Duration, length: Duration) -> usize {
    let inside = dates
        .iter()
        .filter(|&&at| begin <= at && at < begin + length);
    inside.count()
}

proptest! {
    #[test]
    fn no_window_has_more_than_the_quota(dates in arrivals(), quota in 1_u32..20, phase in 0_u64..1000) {
        let phase = Duration::from_millis(phase);
        let mut server = FixedWindow::new(quota, WINDOW).phase(phase);
        let accepted = accepted(&mut server, &dates);

        prop_assert!(within(&accepted, Duration::ZERO, phase) <= quota as usize);
        let mut begin = phase;
        while begin <= dates[dates.len() - 1] {
            let offered = within(&dates, begin, WINDOW);
            prop_assert_eq!(within(&accepted, begin, WINDOW), offered.min(quota as usize));
            begin += WINDOW;
        }
    }

    #[test]
    fn no_window_has_more_than_the_quota_wherever_it_begins(dates in arrivals(), quota in 1_u32..20) {
        let mut server = SlidingLog::new(quota, WINDOW);
        let accepted = accepted(&mut server, &dates);

        for &begin in &accepted {
            prop_assert!(within(&accepted, begin, WINDOW) <= quota as usize);
        }
    }

    #[test]
    fn a_bucket_lets_in_its_burst_and_what_flows_in(dates in arrivals(), quota in 1_u32..20, burst in 1_u32..10) {
        let mut server = Bucket::new(quota, WINDOW, burst);
        let accepted = accepted(&mut server, &dates);

        for (first, &begin) in accepted.iter().enumerate() {
            for (last, &end) in accepted.iter().enumerate().skip(first) {
                let flowed = (end - begin).as_nanos() * u128::from(quota) / WINDOW.as_nanos();
                prop_assert!((last - first + 1) as u128 <= u128::from(burst) + flowed);
            }
        }
    }

    #[test]
    fn slots_are_never_overbooked(departs in vec(any::<bool>(), 1..300), slots in 1_u32..10) {
        let mut server = Slots::new(slots);
        let mut in_flight = 0;
        for depart in departs {
            if depart && in_flight > 0 {
                server.depart(Duration::ZERO);
                in_flight -= 1;
            } else if server.arrive(Duration::ZERO) == Arrival::Accepted {
                in_flight += 1;
            }
            prop_assert!(in_flight <= slots);
        }
    }

    #[test]
    fn a_queue_keeps_its_slots_busy_and_loses_nobody(steps in vec(0_u8..3, 1..300), slots in 1_u32..10) {
        let mut server = Queueing::new(slots);
        let (mut size, mut serving, mut waiting) = (slots, 0, 0);
        for step in steps {
            match step {
                0 if serving > 0 => {
                    let begun = server.depart(Duration::ZERO);
                    (serving, waiting) = (serving - 1 + begun, waiting - begun);
                }
                1 => {
                    size = size % slots + 1;
                    let begun = server.resize(size, Duration::ZERO);
                    (serving, waiting) = (serving + begun, waiting - begun);
                }
                _ => match server.arrive(Duration::ZERO) {
                    Arrival::Accepted => serving += 1,
                    Arrival::Queued => waiting += 1,
                    Arrival::Refused => prop_assert!(false, "a queue refuses nobody"),
                },
            }
            prop_assert!(serving <= slots);
            prop_assert!(waiting == 0 || serving >= size);
        }
    }

    #[test]
    fn nothing_panics_when_time_goes_backwards(millis in vec(0_u64..5000, 1..100)) {
        let servers: [Box<dyn Server>; 4] = [
            Box::new(FixedWindow::new(3, WINDOW)),
            Box::new(FixedWindow::new(3, WINDOW).phase(WINDOW / 2)),
            Box::new(SlidingLog::new(3, WINDOW)),
            Box::new(Bucket::new(3, WINDOW, 2)),
        ];
        for mut server in servers {
            for &now in &millis {
                let now = Duration::from_millis(now);
                server.arrive(now);
                let disclosure = server.disclose(now);
                prop_assert!(disclosure.remaining <= disclosure.limit);
            }
        }
    }
}
