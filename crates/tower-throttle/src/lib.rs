#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(inline)]
pub use tower_throttle_core as core;
#[doc(inline)]
pub use tower_throttle_core::{BoxError, Rejected};

#[cfg(feature = "aimd")]
#[doc(inline)]
pub use tower_throttle_aimd as aimd;

#[cfg(feature = "congestion")]
#[doc(inline)]
pub use tower_throttle_congestion as congestion;

#[cfg(feature = "jitter")]
#[doc(inline)]
pub use tower_throttle_jitter as jitter;

#[cfg(feature = "retry-after")]
#[doc(inline)]
pub use tower_throttle_retry_after as retry_after;

#[cfg(feature = "token-bucket")]
#[doc(inline)]
pub use tower_throttle_token_bucket as token_bucket;
