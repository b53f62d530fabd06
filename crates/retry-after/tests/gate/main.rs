//! The gate and its layer.

mod closing;
mod layer;
mod over_cap;
mod pure;
mod reopening;
mod world;
