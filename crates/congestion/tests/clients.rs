//! Several clients of one server, which don't know of each other.
#![expect(
    clippy::disallowed_methods,
    reason = "time has to begin somewhere; nothing here waits for it"
)]

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tower_throttle_congestion::{
    Bounds, Congestion, CongestionLayer, CongestionPermit, Estimator, Gradient, Sample,
    SharedCongestion,
};
use tower_throttle_core::{Limiter, Outcome, Wait};

mod support;

use support::{
    ms, secs,
    world::{SECOND, queue},
};

/// Clients that always have something to send to one server with twenty slots and a queue.
struct Several {
    clients: Vec<Congestion>,
    now: Instant,
    /// By when they are over, and whose they are.
    calls: VecDeque<(Instant, usize, CongestionPermit)>,
}

impl Several {
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            let mut resume_at = end;
            let mut may_send = None;
            for (client, limiter) in self.clients.iter().enumerate() {
                match limiter.check(&(), self.now) {
                    Wait::Now => may_send = Some(client),
                    Wait::Until(at) => resume_at = resume_at.min(at),
                    _ => {}
                }
            }
            match may_send {
                Some(client) => self.send(client),
                None => self.go_on(resume_at),
            }
        }
    }

    fn send(&mut self, client: usize) {
        let permit = self.clients[client].take((), self.now);
        let (latency, _) = queue(20)(self.calls.len() + 1);
        let over = self.now + latency;
        let place = self.calls.partition_point(|(at, ..)| *at <= over);
        self.calls.insert(place, (over, client, permit));
    }

    /// Until the next call is over, or somebody may send again.
    fn go_on(&mut self, resume_at: Instant) {
        match self.calls.front() {
            Some(&(at, client, _)) if at <= resume_at => {
                let (.., permit) = self.calls.pop_front().unwrap();
                self.clients[client].complete(permit, Some(Outcome::Succeeded), at);
                self.now = at;
            }
            _ => self.now = resume_at,
        }
    }
}

/// Those that come later took the load of the others for the server's own slowness, and got more than their share.
#[test]
fn two_equal_clients_get_equal_shares_though_one_comes_later() {
    for late in [0, 130, 230] {
        let now = Instant::now();
        let client = || Congestion::with(Gradient::new().meeting(now)).seed(1);
        let mut world = Several {
            clients: vec![client()],
            now,
            calls: VecDeque::new(),
        };
        world.run(late * SECOND);
        world.clients.push(client());
        world.run(1000 * SECOND);

        let [one, other] = [0, 1].map(|i| world.clients[i].exact_limit());
        let ratio = one.max(other) / one.min(other);
        assert!(ratio < 1.25, "{one} and {other}, {late} s later");
    }
}

/// The first date that all share, 100 s after the first call at the earliest.
fn date(limit: &SharedCongestion, first: Instant) -> Instant {
    let mut gradient = limit.shared().update(|it, _| it.estimator().clone());
    gradient.seed(1);
    for millis in (0..200_000).step_by(10) {
        let now = first + ms(millis);
        if gradient.probe().is_some_and(|probe| now >= probe.ends_at) {
            gradient.end_probe(now);
        }
        let was_probing = gradient.probe().is_some();
        let sample = Sample::new(now - ms(100), now, 20, Outcome::Succeeded);
        let _ = gradient.learn(&sample, 20.0, Bounds::new(1, 20));
        match gradient.probe() {
            Some(probe) if !was_probing && millis > 100_000 => return probe.resume_at,
            _ => {}
        }
    }
    panic!("no probe in 100 s");
}

/// By default, it is the first call that dates are counted from, and the one client probed under the load of the
/// other.
#[test]
fn clients_that_begin_at_any_time_probe_at_the_same_by_default() {
    let layer = || CongestionLayer::new().limiter().clone();
    for limits in [
        [(); 2].map(|()| layer()),
        [(); 2].map(|()| SharedCongestion::new()),
    ] {
        let first = Instant::now();
        let [one, other] = &limits;
        let (one, other) = (date(one, first), date(other, first + secs(41)));

        let apart = one.max(other) - one.min(other);
        let past_a_date = apart.as_secs() % 80;
        assert!(!(5..75).contains(&past_a_date), "{apart:?} apart");
    }
}
