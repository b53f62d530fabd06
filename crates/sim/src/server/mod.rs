//! Servers, as state machines that are told the time.
//!
//! `now` is the time since the beginning of the run. A server decides whether a request is let in; how
//! long it then takes, and what the answer looks like, is the business of the [`wire`](crate::wire).

mod bucket;
mod fixed;
mod kind;
mod queueing;
mod sliding;
mod slots;

use std::{fmt::Debug, time::Duration};

pub(crate) use self::kind::SERVICE;
pub use self::{
    bucket::Bucket, fixed::FixedWindow, kind::Kind, queueing::Queueing, sliding::SlidingLog,
    slots::Slots,
};

/// A server with a limit.
pub trait Server: Debug + Send {
    /// A request arrives.
    fn arrive(&mut self, now: Duration) -> Arrival;

    /// A request that was let in is done. Returns how many of those in line begin now, first come,
    /// first served.
    fn depart(&mut self, now: Duration) -> u32 {
        let _ = now;
        0
    }

    /// Another quota, or another number of slots. Returns how many of those in line begin now.
    fn resize(&mut self, size: u32, now: Duration) -> u32;

    /// How full it is: 0 is empty, 1 is full. A crowded server is slow.
    fn fullness(&self) -> f64;

    /// What it could tell its clients.
    fn disclose(&mut self, now: Duration) -> Disclosure;
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It is let in, and counts.
    Accepted,
    /// It waits until a slot comes free.
    Queued,
    /// 429.
    Refused,
}

/// What a server could tell its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disclosure {
    /// How many requests it lets in.
    pub limit: u32,
    /// How many it would let in now.
    pub remaining: u32,
    /// How long until there are more.
    pub reset: Duration,
}

/// `part / whole`, and 1 of nothing.
fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 {
        return 1.0;
    }
    f64::from(part) / f64::from(whole)
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
