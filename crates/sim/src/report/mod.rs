//! What came of a run, in figures.

mod figures;
mod measured;
mod rolling;
mod statistics;
mod summary;

pub(crate) use self::statistics::ratio;
pub use self::{
    figures::Figures,
    statistics::{jain, percentile},
    summary::Summary,
};
