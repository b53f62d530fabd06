//! What others do: a formula behind the adapter of this suite, and a habit of trying again around it.

use std::time::Duration;

use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_throttle_core::{
    HttpOutcome, LimitLayer, Limiter, Outcome, Queue, Rejected, Shared, Why, now, track::Tracked,
};

use super::{Caller, Seat, Stack, repeat::Repeat, scramble::Scramble};
use crate::{
    rivals::{
        Aimd, AwsCubic, Bounds, Formula, Gradient2, InFlightLimit, Sample, ShareOfN, Sre, Stkai,
        TowerAimd, TowerVegas, Vegas, Windowed,
        retry::{AwsRetry, Doubling, Habit, StkaiRetry},
        stkai::Preset,
    },
    wire::Wire,
};

/// There is no limiter.
pub(super) fn none(seat: &Seat, wire: Wire) -> Stack {
    repeat(seat, Caller::new(wire), Doubling::default())
}

/// Knows how many clients there are.
pub(super) fn share_of_n(seat: &Seat, wire: Wire) -> Stack {
    let mut generator = seat.generator(1);
    let share = ShareOfN::new(
        seat.rate.events(),
        seat.rate.period(),
        seat.clients,
        now(),
        &mut generator,
    );
    limited(seat, valid(share), wire, Doubling::default())
}

/// Told the preset's part of the quota, as a percentage; whoever waits waits in line.
pub(super) fn stkai(seat: &Seat, preset: Preset, wire: Wire) -> Stack {
    let percent = u64::from(preset.max_requests);
    let part = u64::from(seat.quota) * percent / 100;
    let most = u32::try_from(part).unwrap_or(u32::MAX).max(1);
    let stkai = Stkai::new(preset, most, seat.window, now(), seat.generator(1));
    limited(seat, valid(stkai), wire, Doubling::default())
}

/// Told 100 per window, which is the SDK's default; waits and retries as the SDK does.
pub(super) fn stkai_sdk(seat: &Seat, preset: Preset, wire: Wire) -> Stack {
    let stkai = Stkai::new(preset, 100, seat.window, now(), seat.generator(1));
    let scramble = Scramble::new(Caller::new(wire), valid(stkai), Some(preset.max_wait));
    repeat(seat, Caller::new(scramble), StkaiRetry)
}

/// The SDK without its limiter.
pub(super) fn stkai_retry(seat: &Seat, wire: Wire) -> Stack {
    repeat(seat, Caller::new(wire), StkaiRetry)
}

/// The AWS SDKs, adaptive mode, with as many retries as the others here have.
pub(super) fn aws_cubic(seat: &Seat, wire: Wire) -> Stack {
    let limiter = AwsCubic::new(now(), &mut seat.generator(1));
    limited(seat, limiter, wire, AwsRetry::new(5))
}

/// With K = 1.1, which suits it better than the 2 that the book begins with.
pub(super) fn sre(seat: &Seat, wire: Wire) -> Stack {
    let shared = Shared::new(valid(Sre::new(1.1, seat.generator(1))));
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(HttpOutcome));
    let told = layer.layer(wire).map_err(move |error| {
        let why = error.downcast_ref().map(Rejected::why);
        if why == Some(Why::Closed) {
            shared.update(Sre::refused);
        }
        error
    });
    repeat(seat, Caller::new(told), Doubling::default())
}

/// In windows of a second, as its README has it.
pub(super) fn gradient2(seat: &Seat, wire: Wire) -> Stack {
    in_flight(seat, Windowed::new(Gradient2::published()), wire)
}

/// Told of every call: few clients here have the ten calls per second that a window wants.
pub(super) fn gradient2_per_call(seat: &Seat, wire: Wire) -> Stack {
    in_flight(seat, Gradient2::published(), wire)
}

/// And without the floor of 20, which is a floor for each of the clients.
pub(super) fn gradient2_from_1(seat: &Seat, wire: Wire) -> Stack {
    in_flight(seat, Gradient2::with(from_1()), wire)
}

/// Told of every call, as the limiters that it is the default of do.
pub(super) fn vegas(seat: &Seat, wire: Wire) -> Stack {
    in_flight(seat, Vegas::published(seat.generator(1)), wire)
}

pub(super) fn aimd_concurrency(seat: &Seat, wire: Wire) -> Stack {
    in_flight(seat, Aimd::published(), wire)
}

/// Without the floor of 20.
pub(super) fn aimd_concurrency_from_1(seat: &Seat, wire: Wire) -> Stack {
    in_flight(seat, Aimd::with(from_1()), wire)
}

/// Told a threshold that suits the server: 0.1 s, its default, is less than any request takes here.
pub(super) fn tower_aimd(seat: &Seat, wire: Wire) -> Stack {
    in_flight(seat, TowerAimd::published(Duration::from_millis(500)), wire)
}

pub(super) fn tower_vegas(seat: &Seat, wire: Wire) -> Stack {
    in_flight(seat, TowerVegas::published(), wire)
}

/// Always so many in flight.
pub(super) fn fixed(seat: &Seat, wire: Wire, limit: u32) -> Stack {
    in_flight(seat, Fixed(limit), wire)
}

/// A limit that never moves.
#[derive(Debug)]
struct Fixed(u32);

impl Formula for Fixed {
    fn limit(&self) -> u32 {
        self.0
    }

    fn sample(&mut self, _: Sample) {}
}

fn from_1() -> Bounds {
    valid(Bounds::new(20, 1, 200))
}

fn in_flight(seat: &Seat, formula: impl Formula, wire: Wire) -> Stack {
    limited(seat, InFlightLimit::new(formula), wire, Doubling::default())
}

fn limited<L>(seat: &Seat, limiter: L, wire: Wire, habit: impl Habit + 'static) -> Stack
where
    L: Limiter<Cost = (), Feedback = Outcome>,
{
    let queue = match seat.max_wait {
        Some(max_wait) => Queue::new().max_wait(max_wait),
        None => Queue::new(),
    };
    let shared = Shared::with_queue(limiter, queue);
    let layer = LimitLayer::new(shared.clone()).track(Tracked::new(HttpOutcome));
    let service = Caller::new(layer.layer(wire));
    let repeat = Repeat::new(service, habit, seat.generator(0));
    Stack::watched(repeat, move || shared.snapshot())
}

fn repeat(seat: &Seat, inner: Caller, habit: impl Habit + 'static) -> Stack {
    Stack::new(Repeat::new(inner, habit, seat.generator(0)))
}

/// A quota, a window and a number of clients have been checked when they get here.
fn valid<T>(limiter: Result<T, tower_throttle_core::Invalid>) -> T {
    match limiter {
        Ok(limiter) => limiter,
        Err(invalid) => panic!("{invalid}"),
    }
}
