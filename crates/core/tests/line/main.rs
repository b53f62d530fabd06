//! The line: who is let through, in which order, and when.

#[path = "../probe/mod.rs"]
mod probe;

mod changes;
mod dates;
mod deadlines;
mod handle;
mod max_wait;
mod order;
mod refusals;
mod reports;
mod shelf;
mod stuck;
