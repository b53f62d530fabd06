#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod congestion;
mod dice;
mod estimator;
mod gradient;
mod layer;
mod littles_law;
mod news;
mod shared;

pub use self::{
    congestion::{Congestion, CongestionPermit},
    estimator::{Bounds, Cause, Change, Estimator, Sample},
    gradient::Gradient,
    layer::CongestionLayer,
    littles_law::LittlesLaw,
    shared::SharedCongestion,
};
