#![doc = include_str!("../README.md")]

mod backoff;
mod error;
pub mod future;
mod generator;
mod jitter;
mod layer;
mod service;
mod spread;
mod turn;

pub use self::{
    backoff::{Backoff, Delays},
    error::InvalidFactor,
    generator::Generator,
    jitter::Jitter,
    layer::JitterLayer,
    service::Jittered,
};
