//! Where the laws end up: ten clients that know nothing of each other share a quota.

mod world;

use std::time::Duration;

use tower_throttle_aimd::{Adaptive, Aimd};
use tower_throttle_token_bucket::Rate;

use world::{Counts, Figures, World};

const SEEDS: u32 = 8;

fn adaptive(world: World) -> Figures {
    let most = Rate::per(world.quota, world.window);
    let law = |seed| {
        Adaptive::new()
            .window(world.window)
            .max_rate(most)
            .seed(seed)
    };
    world.mean(SEEDS, law)
}

fn conservative(world: World) -> Figures {
    let most = Rate::per(world.quota, world.window);
    world.mean(SEEDS, |seed| Aimd::conservative(most).seed(seed))
}

#[track_caller]
fn is_within(figures: Figures, used: f64, refused: f64, fairness: f64) {
    let holds = figures.used >= used && figures.refused <= refused && figures.fairness >= fairness;
    assert!(holds, "{figures:?}");
}

#[test]
fn a_fixed_window_is_used_and_shared() {
    is_within(adaptive(World::new(100, 60)), 0.985, 0.025, 0.88);
    is_within(adaptive(World::brief(1000, 10)), 0.99, 0.003, 0.98);
}

#[test]
fn a_sliding_window_is_used_and_shared() {
    let world = World {
        counts: Counts::Sliding,
        ..World::brief(1000, 10)
    };
    is_within(adaptive(world), 0.99, 0.0035, 0.95);
}

#[test]
fn a_token_bucket_is_used_and_shared() {
    let world = World {
        counts: Counts::Tokens(100),
        ..World::brief(1000, 10)
    };
    is_within(adaptive(world), 0.995, 0.0035, 0.94);
}

#[test]
fn a_retry_after_saves_refusals_at_the_start() {
    let bare = World::new(100, 60);
    let hinted = World {
        tells_the_reset: true,
        ..bare
    };
    let (bare, hinted) = (adaptive(bare), adaptive(hinted));
    assert!(hinted.at_the_start < 0.7 * bare.at_the_start);
    is_within(hinted, 0.985, 0.025, 0.88);
}

#[test]
fn a_window_that_is_not_known_costs_little() {
    let world = World {
        window: Duration::from_secs(20),
        ..World::brief(1000, 20)
    };
    let figures = world.mean(SEEDS, |seed| Adaptive::new().seed(seed));
    is_within(figures, 0.95, 0.05, 0.9);
}

#[test]
fn the_conservative_preset_settles_below_the_quota_and_shares_it() {
    let figures = conservative(World::new(100, 60));
    is_within(figures, 0.8, 0.06, 0.98);
}
