#![doc = include_str!("../README.md")]

mod bucket;
mod layer;
mod rate;
mod shared;
mod time;
mod window;

pub use self::{
    bucket::{OverBurst, TokenBucket, TokenPermit},
    layer::{RateLayer, SlidingWindowLayer, TokenBucketLayer},
    rate::Rate,
    shared::{SharedBucket, SharedRate, SharedWindow},
    window::{SlidingWindow, WindowPermit},
};
