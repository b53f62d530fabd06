use crate::{Bounds, Cause, Change, Estimator, Sample, dice::Dice};
use std::time::{Duration, Instant};
use tower_throttle_core::Outcome;

/// The default.
#[derive(Debug, Clone)]
pub struct Gradient {
    r: f64,
    up: f64,
    down: f64,
    band: f64,
    slow: f64,
    add: f64,
    k: f64,
    minn: f64,
    mind: f64,
    grid: f64,
    every: f64,
    drainf: f64,
    mf: f64,
    plim: f64,
    news: f64,
    restart: f64,
    smooth: f64,
    dice: Dice,
    anchor: Option<Instant>,
    next: f64, // grid index of next probe
    age: u32,
    at_floor: u32,
    stride: f64,
    young: u32,
    floorn: u32,
    wup: f64,
    base: Option<f64>,
    epoch: Option<Instant>,
    opened: Option<Instant>,
    n: f64,
    sum: f64,
    drops: f64,
    throttled: bool,
    peak: u32,
    probe: Option<Probe>,
    resume: Option<Instant>,
    /// smoothed ln latency; and what it was after the last probe
    lat: Option<f64>,
    weight: f64,
    wmax: f64,
    rounds: f64,
    check: f64,
}
#[derive(Debug, Clone)]
struct Probe {
    restore: f64,
    until: Instant,
    resume: Instant,
    k: f64,
    each: f64,
    from: Instant,
    slot: f64,
    round: f64,
    rounds: f64,
}

impl Gradient {
    /// New.
    #[must_use]
    pub fn new() -> Self {
        Self {
            r: 1.55,
            up: 0.7,
            down: 0.7,
            band: 0.1,
            slow: 0.3,
            add: 0.0,
            k: 5.0,
            minn: 10.0,
            mind: 0.3,
            grid: 5.0,
            every: 8.0,
            drainf: 1.2,
            mf: 1.2,
            plim: 4.0,
            news: 0.4,
            restart: 0.8,
            smooth: 0.5,
            dice: Dice::default(),
            anchor: None,
            next: 0.0,
            age: 0,
            at_floor: 0,
            stride: 1.,
            young: 3,
            floorn: 3,
            wup: 0.5,
            base: None,
            epoch: None,
            opened: None,
            n: 0.,
            sum: 0.,
            drops: 0.,
            throttled: false,
            peak: 0,
            probe: None,
            resume: None,
            lat: None,
            weight: 0.,
            wmax: 16.,
            rounds: 6.,
            check: 3.,
        }
    }
    fn reset(&mut self, now: Instant) {
        self.n = 0.;
        self.sum = 0.;
        self.drops = 0.;
        self.throttled = false;
        self.peak = 0;
        self.opened = Some(now);
        self.epoch = Some(now);
    }
    fn schedule(&mut self, now: Instant) {
        let at = (now - self.anchor.unwrap()).as_secs_f64() / self.grid;
        self.next = ((at / self.stride).floor() + 1.) * self.stride;
    }
    fn probed(&mut self, p: &Probe, min: f64, now: Instant) -> Change {
        self.resume = Some(p.until);
        let (n, sum) = (self.n, self.sum);
        self.reset(now.max(p.until));
        let mut moved = false;
        self.stride = (self.stride * 2.).min(self.every);
        if n > 0. {
            let m = sum / n;
            let old = self.base.unwrap_or(m);
            if self.age == 0 || m < old - self.news {
                moved = true;
                self.base = Some(m);
                self.weight = n;
                self.stride = 1.;
            } else if m < old {
                let w = n / (n + self.weight);
                self.base = Some(old + (w.max(0.5)) * (m - old));
                self.weight = (self.weight + n).min(self.wmax);
            } else {
                let w = n / (n + self.weight);
                self.base = Some(old + if m > old + self.news { self.wup } else { w } * (m - old));
                if m > old + self.news {
                    self.stride = 1.;
                }
                self.weight = (self.weight + n).min(self.wmax);
            }
            self.age += 1;
        }
        self.schedule(now);
        self.lat = None;
        self.at_floor = 0;
        Change::new(
            if moved {
                min
            } else {
                (p.restore * self.restart).max(min)
            },
            Cause::Probe,
        )
    }
}
impl Default for Gradient {
    fn default() -> Self {
        Self::new()
    }
}

impl Estimator for Gradient {
    fn learn(&mut self, s: &Sample, limit: f64, bounds: Bounds) -> Option<Change> {
        let now = s.finished;
        let anchor = *self.anchor.get_or_insert(s.started);
        let lat = s.latency().as_secs_f64().max(1e-9).ln();
        let min = f64::from(bounds.min);
        if let Some(p) = self.probe.clone() {
            if s.started < p.resume {
                return None;
            }
            if s.outcome == Outcome::Succeeded {
                self.n += 1.;
                self.sum += lat;
            } else {
                self.drops += 1.;
            }
            if self.n + self.drops < p.k {
                return None;
            }
            if p.round + 1. < p.rounds {
                let mut p = p;
                p.round += 1.;
                p.k += p.each;
                let late = p.from + Duration::from_secs_f64(p.slot * p.round);
                if late < now {
                    p.from = p.from + (now - late);
                }
                p.resume =
                    p.from + Duration::from_secs_f64(p.slot * (p.round + 0.5 * self.dice.unit()));
                p.until = p.from + Duration::from_secs_f64(p.slot * p.rounds);
                self.resume = Some(p.resume);
                self.probe = Some(p);
                return None;
            }
            self.probe = None;
            return Some(self.probed(&p, min, now));
        }
        if self.epoch.is_some_and(|e| s.started <= e) {
            return None;
        }
        let opened = *self.opened.get_or_insert(s.started);
        if s.outcome == Outcome::Succeeded {
            self.n += 1.;
            self.sum += lat;
        } else {
            self.drops += 1.;
            self.throttled |= s.outcome == Outcome::Throttled;
        }
        self.peak = self.peak.max(s.in_flight);
        let t = (now - anchor).as_secs_f64();
        let open_for = (now - opened).as_secs_f64();
        let total = self.n + self.drops;
        let full = (total >= self.minn && open_for >= self.mind) || (open_for >= 1.0);
        if t >= self.next * self.grid
            && self.n >= 1.
            && (if self.age == 0 {
                full
            } else {
                self.age < self.young || self.at_floor >= self.floorn
            })
        {
            let m = (self.sum / self.n).exp();
            let d = 2f64
                .powf(((m * self.drainf).log2() * 2.0).ceil() / 2.0)
                .min(4.0);
            let p = anchor + Duration::from_secs_f64(self.next * self.grid);
            let p = p.max(now - Duration::from_secs_f64(d / 2.));
            let slot = d * self.mf;
            let k = (limit / self.plim).floor().max(1.);
            let rounds = if self.age < 2 {
                self.rounds
            } else {
                self.check
            };
            let from = p + Duration::from_secs_f64(d);
            let resume = from + Duration::from_secs_f64(slot * 0.5 * self.dice.unit());
            let until = from + Duration::from_secs_f64(slot * rounds);
            self.probe = Some(Probe {
                restore: limit,
                resume,
                until,
                k,
                each: k,
                from,
                slot,
                round: 0.,
                rounds,
            });
            self.resume = Some(resume);
            self.reset(now);
            return Some(Change::new(k, Cause::Probe));
        }
        if !full {
            return None;
        }
        let share = self.drops / total;
        let peak = f64::from(self.peak);
        let mut cause = Cause::Room;
        let mut next = limit;
        if self.n > 0. {
            let raw = self.sum / self.n;
            let l = self.lat.map_or(raw, |l| l + self.smooth * (raw - l));
            self.lat = Some(l);
            let m = l;
            let Some(base) = self.base else {
                // nothing known: until the first probe only shrink
                self.reset(now);
                if self.drops > 0. || share > 0. {}
                return (share > 0.)
                    .then(|| Change::new(limit * (1. - share / 2.), Cause::Throttled));
            };
            if raw < base - 0.25 {
                self.base = Some(raw);
                if raw < base - self.news {
                    self.reset(now);
                    self.lat = None;
                    return Some(Change::new(min, Cause::Probe));
                }
            }
            let err = self.r.ln() + self.base.unwrap_or(base) - m;
            if err < -self.band {
                cause = Cause::Slow;
                next = limit * (self.down * (err + self.band / 2.)).exp().max(0.5);
            } else if err > 0. && peak >= 0.8 * limit.floor() && self.drops == 0. {
                let gain = if err > self.band { self.up } else { self.slow };
                next = limit * (gain * err).exp() + self.add * err;
            }
            if limit <= min * 1.05 && err < 0. {
                self.at_floor += 1;
                if self.at_floor == self.floorn {
                    if t >= self.next * self.grid {
                        self.schedule(now);
                    }
                }
            } else {
                self.at_floor = 0;
            }
        }
        if self.drops > 0. {
            next = next.min(limit * (1. - share / 2.));
            cause = if self.throttled {
                Cause::Throttled
            } else {
                Cause::Failed
            };
        }
        if next > self.k * peak {
            next = self.k * peak;
            cause = Cause::Unused;
        }
        self.reset(now);
        Some(Change::new(next, cause))
    }
    fn baseline(&self) -> Option<Duration> {
        self.base.map(|b| Duration::from_secs_f64(b.exp()))
    }
    fn resume_at(&self) -> Option<Instant> {
        self.resume
    }
    fn seed(&mut self, seed: u64) {
        self.dice = Dice::seeded(seed);
    }
}
