#![doc = include_str!("../README.md")]

mod bucket;
mod level;
mod rate;
mod time;

pub use self::{
    bucket::{OverBurst, TokenBucket, TokenPermit},
    rate::Rate,
};
