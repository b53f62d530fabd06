use std::time::Duration;

use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Exp};
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::{task::JoinSet, time::sleep};
use tower::ServiceExt as _;
use tower_service::Service as _;

use super::{End, Ledger, Load, Work};
use crate::{strategy::Caller, wire::Call};

/// Somebody who sends requests of a client.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) client: usize,
    pub(super) caller: Caller,
    pub(super) ledger: Ledger,
    pub(super) work: Work,
    pub(super) random: Xoshiro256PlusPlus,
}

/// A worker whose request fails without taking any time has a break, lest time stand still.
const BREAK: Duration = Duration::from_millis(10);

impl Worker {
    /// Sets a client to work, from its random first moment on.
    pub(super) fn start(mut self, tasks: &mut JoinSet<()>) {
        let late = self.work.window.mul_f64(self.random.random::<f64>() / 10.0);
        match self.work.load {
            Load::Poisson(fraction) => {
                let rate = self.work.offered(fraction);
                tasks.spawn(self.arrivals(rate, 1));
            }
            Load::Bursty(fraction) => {
                let burst = self.burst();
                let rate = self.work.offered(fraction) / f64::from(burst);
                tasks.spawn(self.arrivals(rate, burst));
            }
            Load::Saturated => self.each(tasks, |worker| worker.saturate(late)),
            Load::OnOff(windows) => {
                let phase: f64 = self.random.random();
                self.each(tasks, |worker| worker.on_and_off(windows, phase));
            }
            Load::Batch(quotas) => {
                let share = self.work.quota() * quotas / f64::from(self.work.clients);
                self.split(tasks, whole(share));
            }
            Load::Think(mean) => self.each(tasks, |worker| worker.think(mean)),
        }
    }

    /// Starts as many as the client has.
    fn each<F>(&mut self, tasks: &mut JoinSet<()>, work: impl Fn(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for _ in 0..self.work.workers {
            tasks.spawn(work(self.another()));
        }
    }

    /// Shares a batch among the workers.
    fn split(&mut self, tasks: &mut JoinSet<()>, requests: u32) {
        let workers = self.work.workers;
        for worker in 0..workers {
            let share = requests / workers + u32::from(worker < requests % workers);
            tasks.spawn(self.another().repeat(share));
        }
    }

    async fn saturate(mut self, late: Duration) {
        sleep(late).await;
        while !self.work.is_closed() {
            self.send().await;
        }
    }

    /// `phase`: which part of a period is over already.
    async fn on_and_off(mut self, windows: u32, phase: f64) {
        let half = self.work.window * windows;
        let ahead = (2 * half).mul_f64(phase);
        loop {
            let into = remainder(self.now() + ahead, 2 * half);
            if into >= half {
                sleep(2 * half - into).await;
            } else if self.work.is_closed() {
                return;
            } else {
                self.send().await;
            }
        }
    }

    async fn repeat(mut self, requests: u32) {
        for _ in 0..requests {
            self.send().await;
        }
    }

    async fn think(mut self, mean: Duration) {
        loop {
            let time = exponential(mean.as_secs_f64().recip(), &mut self.random);
            sleep(time).await;
            if self.work.is_closed() {
                return;
            }
            self.send().await;
        }
    }

    /// Requests come by themselves, `burst` at a time, and wait for no worker.
    async fn arrivals(mut self, rate: f64, burst: u32) {
        let mut sent = JoinSet::new();
        let mut next = self.now();
        loop {
            next += exponential(rate, &mut self.random);
            self.ledger.desk().until(next).await;
            if self.work.is_closed() {
                break;
            }
            for _ in 0..burst {
                let mut another = self.another();
                sent.spawn(async move { another.send().await });
            }
            while sent.try_join_next().is_some() {}
        }
        while sent.join_next().await.is_some() {}
    }

    /// Sends one request and waits for its end.
    async fn send(&mut self) {
        let entry = self.ledger.start(self.client);
        let begin = self.now();
        let result = match self.caller.ready().await {
            Ok(caller) => caller.call(Call::new(())).await,
            Err(error) => Err(error),
        };
        let end = End::of(&result);
        entry.end(end);
        if end != End::Succeeded && self.now() == begin {
            sleep(BREAK).await;
        }
    }

    fn now(&self) -> Duration {
        self.ledger.desk().elapsed()
    }

    /// A tenth of the quota.
    fn burst(&self) -> u32 {
        whole(self.work.quota() / 10.0).max(1)
    }

    fn another(&mut self) -> Self {
        Self {
            client: self.client,
            caller: self.caller.clone(),
            ledger: self.ledger.clone(),
            work: self.work.clone(),
            random: Xoshiro256PlusPlus::from_rng(&mut self.random),
        }
    }
}

/// A time between two of `rate` events per second.
fn exponential(rate: f64, random: &mut impl Rng) -> Duration {
    let time = Exp::new(rate).map_or(f64::INFINITY, |time| time.sample(random));
    Duration::try_from_secs_f64(time).unwrap_or(FAR)
}

/// Later than any run ends.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn remainder(time: Duration, period: Duration) -> Duration {
    let nanos = time.as_nanos() % period.as_nanos();
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a quota that is a u32"
)]
fn whole(number: f64) -> u32 {
    number.round() as u32
}
