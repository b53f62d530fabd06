#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(inline)]
pub use tower_throttle_core as core;
#[doc(inline)]
pub use tower_throttle_core::{BoxError, Rejected};

#[cfg(feature = "token-bucket")]
#[doc(inline)]
pub use tower_throttle_token_bucket as token_bucket;
