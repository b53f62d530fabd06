//! The adapter in which a service waits in `poll_ready`, before there is a request.

mod layer;
mod service;

pub use self::{layer::BackpressureLayer, service::Backpressure};
