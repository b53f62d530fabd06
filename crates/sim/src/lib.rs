#![doc = include_str!("../README.md")]

pub mod cases;
pub mod client;
pub mod plot;
pub mod report;
pub mod rivals;
pub mod run;
pub mod scenario;
mod series;
pub mod server;
pub mod strategy;
pub mod sweep;
pub mod wire;

pub use self::{
    report::{Figures, Summary},
    run::{Config, Run, each_seed, run},
    scenario::Scenario,
    series::Series,
    strategy::Strategy,
};
