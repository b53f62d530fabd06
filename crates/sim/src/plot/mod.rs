//! Draws what happened in a run, for somebody who has never seen such a picture.
//!
//! ```text
//!  title
//!  what the colours mean
//!  ┌───────────────────────────────┐
//!  │ - - - - - - - - - - - - quota │   accepted requests, a band for each client, one upon
//!  │▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒│   the other: their upper edge is what all have together
//!  │░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░│
//!  └───────────────────────────────┘
//!  ┌───────────────────────────────┐
//!  │▓▁▁▂▁▁▁▁▁▂▁▁▁▁▁▁▂▁▁▁▁▁▁▁▁▂▁▁▁▁▁│   429s
//!  └───────────────────────────────┘
//! ```
//!
//! Both figures are SVG, made without any font of this machine.

mod bins;
mod concurrency;
mod page;
mod rates;

pub use self::{
    concurrency::{ConcurrencyPlot, ConcurrencySeries},
    rates::RatePlot,
};
