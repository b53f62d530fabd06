#![doc = include_str!("../README.md")]

mod backoff;
mod error;
mod generator;
mod jitter;

pub use self::{
    backoff::{Backoff, Delays},
    error::InvalidFactor,
    generator::Generator,
    jitter::Jitter,
};
