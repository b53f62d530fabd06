//! What came of a run, in figures.

mod figures;
mod rolling;
mod statistics;
mod summary;

pub use self::{
    figures::Figures,
    statistics::{jain, percentile},
    summary::Summary,
};
