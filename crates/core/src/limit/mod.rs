//! The adapter in which a request waits in its response future, so that the limit can look at it.

pub mod future;
mod layer;
mod service;

pub use self::{layer::LimitLayer, service::Limit};
