#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod gate;
mod replay;
pub mod retry;
mod signals;

pub use self::{
    gate::{
        Beside, Concurrency, Gate, GatePermit, Listen, OverCap, RetryAfterLayer, SharedGate, Word,
    },
    replay::{Replay, ReplayBody},
    retry::RetryLayer,
    signals::{
        Cause, Clock, Directive, Form, Limit, Pace, Pacing, Profile, Reading, ResetFormat,
        ResetHeader, Signals, Source, Unread, emit,
    },
};
