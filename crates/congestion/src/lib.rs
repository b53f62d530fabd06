#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod congestion;
mod dice;
mod estimator;
mod gradient;
#[cfg(feature = "signals")]
mod heed;
#[cfg(feature = "signals")]
mod heeding;
mod layer;
mod limit;
mod littles_law;
mod news;
mod shared;

pub use self::{
    clock::meeting,
    congestion::{Congestion, CongestionPermit},
    estimator::{Bounds, Cause, Change, Estimator, Probe, Sample},
    gradient::Gradient,
    layer::CongestionLayer,
    littles_law::LittlesLaw,
    shared::SharedCongestion,
};
#[cfg(feature = "signals")]
pub use self::{heed::Heed, heeding::Heeding};
