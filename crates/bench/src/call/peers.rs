//! The services of tower, tower-resilience and tower_governor.

use std::{convert::Infallible, time::Duration};

use http::Request;
use tower::{
    Layer, Service,
    limit::{ConcurrencyLimit, RateLimit, rate::Rate},
};
use tower_governor::{
    GovernorLayer, governor::GovernorConfigBuilder, key_extractor::GlobalKeyExtractor,
};
use tower_resilience_ratelimiter::{RateLimiterConfigBuilder, RateLimiterLayer};

use crate::{admission::PLENTY, rounds::Subject};

use super::{
    BARE, RESILIENCE, TOWER_CONCURRENCY, TOWER_RATE,
    drive::{Alone, Drive},
    echo::Echo,
};

/// Those that can be shared, after the bare service.
pub(super) fn shared<R>(drive: &impl Drive, request: fn() -> R) -> Vec<Subject>
where
    Echo: Service<R, Error = Infallible, Future: Send>,
    R: Send + 'static,
{
    vec![
        drive.subject(BARE, Echo, request),
        drive.subject(
            TOWER_CONCURRENCY,
            ConcurrencyLimit::new(Echo, 1000),
            request,
        ),
        drive.subject(RESILIENCE, resilience(fixed()).layer(Echo), request),
        drive.subject(
            "tower-resilience, backpressure",
            resilience(fixed().backpressure()).layer(Echo),
            request,
        ),
    ]
}

/// Tower's own, which cannot be shared.
pub(super) fn tower_rate<R>(drive: &Alone, request: fn() -> R) -> Subject
where
    Echo: Service<R, Error = Infallible>,
    R: 'static,
{
    let _entered = drive.enter();
    let plenty = Rate::new(u64::from(PLENTY), Duration::from_secs(1));
    drive.unshared(TOWER_RATE, RateLimit::new(Echo, plenty), request)
}

/// The one that is for HTTP alone.
pub(super) fn governor(drive: &impl Drive, request: fn() -> Request<()>) -> Subject {
    let config = GovernorConfigBuilder::default()
        .period(Duration::from_nanos(1))
        .burst_size(PLENTY)
        .key_extractor(GlobalKeyExtractor)
        .finish()
        .expect("neither is zero");
    drive.subject(
        "tower_governor",
        GovernorLayer::new(config).layer(Echo),
        request,
    )
}

fn fixed() -> RateLimiterConfigBuilder {
    RateLimiterLayer::builder()
        .limit_for_period(usize::MAX >> 4)
        .refresh_period(Duration::from_secs(1))
}

fn resilience(config: RateLimiterConfigBuilder) -> RateLimiterLayer {
    config.build().expect("neither is zero")
}
