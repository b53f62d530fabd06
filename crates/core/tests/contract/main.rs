//! What tower asks of a service, asked of both adapters.

#[path = "../probe/mod.rs"]
mod probe;

mod backpressure;
mod bounds;
mod drops;
mod limit;
mod panics;
mod wakes;
