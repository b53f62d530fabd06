//! What must hold, case by case, and whether it does.

mod check;
mod concurrency;
mod rate;

pub use self::{
    check::{Check, Verdict},
    concurrency::{Contest, concurrency},
    rate::rate,
};
use crate::{Strategy, run::Config};

/// A situation, and what must come of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// What is simulated, by our strategy.
    pub config: Config,
    /// What must hold.
    pub checks: Vec<Check>,
    /// Whom to compare with, if anybody, and what they are called in this case.
    pub rival: Option<Strategy>,
}
