#![doc = include_str!("../README.md")]

pub mod plot;
pub mod rivals;
mod series;

pub use self::series::Series;
