//! (written below)
mod cost;
mod limiter;
mod snapshot;

pub use self::{cost::Cost, limiter::{Limiter, Wait}, snapshot::Snapshot};

/// How far back a grant is dated when the timer was late: 10 ms.
pub const LAG: std::time::Duration = std::time::Duration::from_millis(10);
