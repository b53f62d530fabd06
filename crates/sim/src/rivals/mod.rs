//! How others control rates and concurrency, from what they published, defects included.
//!
//! Each is a [`Limiter`](tower_throttle_core::Limiter) of [`Outcome`](tower_throttle_core::Outcome)s
//! whose requests all cost the same, told the time, and given its randomness when it is made. So the
//! adapters of this suite drive them as they drive ours, and what differs is the formula alone. How a
//! rival tries again after a refusal is a [`retry::Habit`].
//!
//! The formulas are re-stated from the sources, where each was looked up. What the adapter does
//! instead of them: requests wait in a first-come, first-served line and feel a new rate at once,
//! where stkai wakes all who wait to race for each token ([`stkai::Turn`] is its own loop), and the AWS
//! SDK for Rust lets a request sleep for what the rate was when it came.
//!
//! ```
//! use std::time::Duration;
//! use tower::{ServiceBuilder, service_fn};
//! use tower_throttle_core::{HttpOutcome, LimitLayer, Shared, track::Tracked};
//! use tower_throttle_jitter::Generator;
//! use tower_throttle_sim::rivals::{Stkai, stkai::Preset};
//!
//! # fn main() -> Result<(), tower_throttle_core::BoxError> {
//! let now = tower_throttle_core::now();
//! let minute = Duration::from_secs(60);
//! let rival = Stkai::new(Preset::BALANCED, 40, minute, now, Generator::seeded(7))?;
//!
//! let client = ServiceBuilder::new()
//!     .layer(LimitLayer::new(Shared::new(rival)).track(Tracked::new(HttpOutcome)))
//!     .service(service_fn(async |_: http::Request<()>| {
//!         Ok::<_, tower_throttle_core::BoxError>(http::Response::new(()))
//!     }));
//! # let _ = client;
//! # Ok(())
//! # }
//! ```
//!
//! # Rates
//!
//! | name | formula | source | known defects |
//! |---|---|---|---|
//! | [`Unlimited`] | – | – | sends whatever comes |
//! | [`ShareOfN`] | paced at Q ÷ (N · W), the first at a random time | no client can know N | wastes the share of a client that has nothing to send |
//! | [`Stkai`] | token bucket of E per window; 429: E ← max(floor, E · (1 − penalty · J)); any other response: E ← min(M, E + M · recovery · J); J = U(0.8, 1.2) | stkai-sdk-python, `src/stkai/_rate_limit.py` | starts with a full bucket; a cut for each 429 of one event; grows per success, so with throughput; a 503 counts as success; a new rate applies to the time before it; below E = 1 nothing is ever sent |
//! | [`AwsCubic`] | off until the first 429; then w ← min(measured, rate), rate ← 0.7 · w; any other response: rate ← 0.4 · (t − K)³ + w, K = ∛(0.3 · w ÷ 0.4); at most 2 × measured, at least 0.5/s | botocore, `botocore/retries/{adaptive,throttling,bucket}.py`; smithy-rs, `client_rate_limiter.rs` | a 429 before the first half second is over measures 0, and the rate falls to 0.5/s; a cut for each 429; the rate is counted by responses; not told of a Retry-After |
//! | [`Sre`] | refuses with probability max(0, (requests − K · accepts) ÷ (requests + 1)) of the last 2 minutes | *Site Reliability Engineering*, chapter 21, equation 21-1 | refuses instead of waiting; with K = 2 half of what it sends is refused by the server |
//!
//! # Concurrency
//!
//! Each is a [`Formula`] in an [`InFlightLimit`].
//!
//! | name | formula | source | known defects |
//! |---|---|---|---|
//! | [`Gradient2`] | g = clamp(1.5 · long ÷ short, 0.5, 1); limit ← 0.8 · limit + 0.2 · (limit · g + 4) | Netflix concurrency-limits, `limit/Gradient2Limit.java` | ignores drops; steady overload becomes the new normal; at g above 1 − 4 ÷ limit it still grows; never below 20 |
//! | [`Vegas`] | queue = ⌈limit · (1 − lowest ÷ latency)⌉; up to log₁₀: + 6 · log₁₀; below 3 · log₁₀: + log₁₀; above 6 · log₁₀, or a drop: − log₁₀ | the same, `limit/VegasLimit.java` | the lowest latency is measured again under load, and ratchets up |
//! | [`Aimd`] | + 1 while half used; × 0.9 on a drop or above 5 s | the same, `limit/AIMDLimit.java` | one cut per drop of one event; never below 20 |
//! | [`Windowed`] | tells one of these of the mean of a second, if it has 10 samples | the same, `limit/WindowedLimit.java` | with fewer calls per second it never learns |
//! | [`TowerAimd`] | + 1 per success below 100 ms; × 0.5 otherwise | tower-resilience 0.13, `core/src/aimd.rs`, `adaptive/src/algorithm.rs` | grows while unused; a cut for each failure of one event; a minimum of 0 ends everything |
//! | [`TowerVegas`] | queue = limit · (smoothed − lowest) ÷ lowest; below 3: + 1; above 6: − 1; a failure: ÷ 2 | the same | never measures the lowest latency again; grows while unused |

mod aimd;
mod aws_cubic;
mod bucket;
mod gradient2;
mod in_flight;
#[cfg(test)]
mod laws;
pub mod retry;
mod share_of_n;
mod sre;
pub mod stkai;
#[cfg(test)]
mod testing;
mod tower_resilience;
mod unlimited;
mod vegas;
mod windowed;

pub use self::{
    aimd::Aimd,
    aws_cubic::{AwsCubic, AwsPermit},
    gradient2::Gradient2,
    in_flight::{Bounds, CallPermit, Formula, InFlightLimit, Sample},
    share_of_n::ShareOfN,
    sre::Sre,
    stkai::Stkai,
    tower_resilience::{TowerAimd, TowerVegas},
    unlimited::Unlimited,
    vegas::Vegas,
    windowed::Windowed,
};
