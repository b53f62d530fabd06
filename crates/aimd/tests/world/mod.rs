//! A small pure simulation: clients that know nothing of each other, and a server with a quota.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    time::{Duration, Instant},
};

use tower_throttle_aimd::{Law, Paced, PacedPermit};
use tower_throttle_core::{Limiter, Outcome, Wait, now};
use tower_throttle_jitter::Generator;
use tower_throttle_retry_after::Word;

/// What a server grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Requests in windows that begin one after the other.
    Fixed,
    /// Requests in any window.
    Sliding,
    /// Tokens that flow in evenly; as many as this may gather.
    Tokens(u32),
}

/// A server, its clients, and how long to watch them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    pub(crate) counts: Counts,
    pub(crate) quota: u32,
    pub(crate) window: Duration,
    /// Whether a 429 says, in whole seconds, when the window ends.
    pub(crate) tells_the_reset: bool,
    pub(crate) clients: u32,
    /// How many requests each has in flight at most: it has always another one to send.
    pub(crate) workers: u32,
    /// In windows. The measured ones follow the warm-up.
    pub(crate) warm_up: u32,
    pub(crate) measured: u32,
}

/// What came out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// The share of the quota that was used.
    pub(crate) used: f64,
    /// 429s for each request that was accepted.
    pub(crate) refused: f64,
    /// How evenly it was shared, by Jain's index: 1 is evenly, 1/n is all to one.
    pub(crate) fairness: f64,
    /// 429s before the measured windows, in quotas.
    pub(crate) at_the_start: f64,
}

impl World {
    /// Ten clients for sixty windows, of which the first twenty are warm-up.
    pub(crate) fn new(quota: u32, window: u64) -> Self {
        Self {
            counts: Counts::Fixed,
            quota,
            window: Duration::from_secs(window),
            tells_the_reset: false,
            clients: 10,
            workers: 64,
            warm_up: 20,
            measured: 40,
        }
    }

    /// Twenty windows, of which ten are warm-up.
    pub(crate) fn brief(quota: u32, window: u64) -> Self {
        Self {
            warm_up: 10,
            measured: 10,
            ..Self::new(quota, window)
        }
    }

    /// The mean over seeds.
    pub(crate) fn mean<L: Law>(&self, seeds: u32, law: impl Fn(u64) -> L) -> Figures {
        let all: Vec<_> = (1..=seeds.into())
            .map(|seed| self.run(seed, &law))
            .collect();
        let mean = |of: fn(&Figures) -> f64| all.iter().map(of).sum::<f64>() / f64::from(seeds);
        Figures {
            used: mean(|figures| figures.used),
            refused: mean(|figures| figures.refused),
            fairness: mean(|figures| figures.fairness),
            at_the_start: mean(|figures| figures.at_the_start),
        }
    }

    pub(crate) fn run<L: Law>(&self, seed: u64, law: impl Fn(u64) -> L) -> Figures {
        let mut run = Run::new(self, seed, law);
        run.go();
        run.figures()
    }
}

#[derive(Debug)]
struct Client<L> {
    paced: Paced<L>,
    free: u32,
    accepted: u32,
    /// When it looks again.
    wakes_at: Option<Instant>,
}

#[derive(Debug)]
enum Event {
    /// A client may send.
    Wake,
    /// A request gets to the server.
    Arrival(PacedPermit),
    /// An answer gets back.
    Answer(PacedPermit, Word),
}

#[derive(Debug)]
struct Run<'a, L> {
    world: &'a World,
    start: Instant,
    measured_from: Instant,
    random: Generator,
    clients: Vec<Client<L>>,
    /// In order of time, then of their making.
    agenda: BinaryHeap<Reverse<(Instant, u64)>>,
    events: BTreeMap<u64, (usize, Event)>,
    made: u64,
    server: Server,
    refused: u32,
    refused_before: u32,
}

impl<'a, L: Law> Run<'a, L> {
    fn new(world: &'a World, seed: u64, law: impl Fn(u64) -> L) -> Self {
        let start = now();
        let mut random = Generator::seeded(seed);
        let clients = (0..world.clients)
            .map(|client| Client {
                paced: Paced::new(law(seed * 1000 + u64::from(client)), start),
                free: world.workers,
                accepted: 0,
                wakes_at: None,
            })
            .collect();
        Self {
            world,
            start,
            measured_from: start + world.window * world.warm_up,
            server: Server::new(world, start, random.unit()),
            random,
            clients,
            agenda: BinaryHeap::new(),
            events: BTreeMap::new(),
            made: 0,
            refused: 0,
            refused_before: 0,
        }
    }

    fn go(&mut self) {
        for client in 0..self.clients.len() {
            self.wake(self.start, client);
        }
        let end = self.measured_from + self.world.window * self.world.measured;
        while let Some(Reverse((now, made))) = self.agenda.pop() {
            if now >= end {
                break;
            }
            if let Some((client, event)) = self.events.remove(&made) {
                self.happen(now, client, event);
            }
        }
    }

    fn happen(&mut self, now: Instant, client: usize, event: Event) {
        match event {
            Event::Wake => {
                let it = &mut self.clients[client];
                if it.wakes_at == Some(now) {
                    it.wakes_at = None;
                    self.send(now, client);
                }
            }
            Event::Arrival(permit) => {
                let word = self.server.judge(now);
                let takes = self.count(now, client, word.outcome);
                self.schedule(now + takes, client, Event::Answer(permit, word));
            }
            Event::Answer(permit, word) => {
                let it = &mut self.clients[client];
                it.paced.complete(permit, Some(word), now);
                it.free += 1;
                self.send(now, client);
            }
        }
    }

    fn send(&mut self, now: Instant, client: usize) {
        let it = &mut self.clients[client];
        if it.free == 0 {
            return;
        }
        match it.paced.check(&1, now) {
            Wait::Now => {
                let permit = it.paced.take(1, now);
                it.free -= 1;
                let transit = self.spread(0.015, 0.3);
                self.schedule(now + transit, client, Event::Arrival(permit));
                self.wake(now, client);
            }
            Wait::Until(at) => self.wake(at, client),
            other => panic!("{other:?}"),
        }
    }

    fn count(&mut self, now: Instant, client: usize, outcome: Outcome) -> Duration {
        let measured = now >= self.measured_from;
        if outcome == Outcome::Succeeded {
            self.clients[client].accepted += u32::from(measured);
            return self.spread(0.2, 0.3);
        }
        self.refused += u32::from(measured);
        self.refused_before += u32::from(!measured);
        Duration::from_millis(30)
    }

    /// Log-normal; the sum of twelve uniform draws is as good as normal.
    fn spread(&mut self, median: f64, sigma: f64) -> Duration {
        let normal = (0..12).map(|_| self.random.unit()).sum::<f64>() - 6.0;
        Duration::from_secs_f64(median * (sigma * normal).exp())
    }

    /// Only the latest counts.
    fn wake(&mut self, at: Instant, client: usize) {
        let earlier = self.clients[client].wakes_at.replace(at);
        if earlier != Some(at) {
            self.schedule(at, client, Event::Wake);
        }
    }

    fn schedule(&mut self, at: Instant, client: usize, event: Event) {
        self.made += 1;
        self.agenda.push(Reverse((at, self.made)));
        self.events.insert(self.made, (client, event));
    }

    fn figures(&self) -> Figures {
        let accepted = self.clients.iter().map(|client| f64::from(client.accepted));
        let sum: f64 = accepted.clone().sum();
        let squares: f64 = accepted.map(|accepted| accepted * accepted).sum();
        let quota = f64::from(self.world.quota);
        Figures {
            used: sum / (quota * f64::from(self.world.measured)),
            refused: f64::from(self.refused) / sum,
            fairness: sum * sum / (f64::from(self.world.clients) * squares),
            at_the_start: f64::from(self.refused_before) / quota,
        }
    }
}

#[derive(Debug)]
struct Server {
    counts: Counts,
    quota: u32,
    window: Duration,
    tells_the_reset: bool,
    /// When the current window began, or the tokens were counted.
    since: Instant,
    /// Accepted in the current window, or tokens left.
    count: f64,
    log: VecDeque<Instant>,
}

impl Server {
    fn new(world: &World, start: Instant, phase: f64) -> Self {
        Self {
            counts: world.counts,
            quota: world.quota,
            window: world.window,
            tells_the_reset: world.tells_the_reset,
            since: start - world.window.mul_f64(phase),
            count: match world.counts {
                Counts::Tokens(burst) => f64::from(burst),
                _ => 0.0,
            },
            log: VecDeque::new(),
        }
    }

    fn judge(&mut self, now: Instant) -> Word {
        let accepts = match self.counts {
            Counts::Fixed => self.fixed(now),
            Counts::Sliding => self.sliding(now),
            Counts::Tokens(burst) => self.tokens(burst, now),
        };
        let reset = (self.since + self.window - now).as_secs_f64().ceil();
        let asked = (self.tells_the_reset && !accepts).then_some(reset);
        let outcome = if accepts {
            Outcome::Succeeded
        } else {
            Outcome::Throttled
        };
        Word::new(outcome, asked.map(Duration::from_secs_f64))
    }

    fn fixed(&mut self, now: Instant) -> bool {
        while now >= self.since + self.window {
            self.since += self.window;
            self.count = 0.0;
        }
        let accepts = self.count < f64::from(self.quota);
        self.count += f64::from(u8::from(accepts));
        accepts
    }

    fn sliding(&mut self, now: Instant) -> bool {
        while self.log.front().is_some_and(|at| *at + self.window <= now) {
            self.log.pop_front();
        }
        let accepts = self.log.len() < self.quota as usize;
        self.log.extend(accepts.then_some(now));
        accepts
    }

    fn tokens(&mut self, burst: u32, now: Instant) -> bool {
        let inflow = (now - self.since).as_secs_f64() / self.window.as_secs_f64();
        self.since = now;
        self.count = (self.count + inflow * f64::from(self.quota)).min(f64::from(burst));
        let accepts = self.count >= 1.0;
        self.count -= f64::from(u8::from(accepts));
        accepts
    }
}
