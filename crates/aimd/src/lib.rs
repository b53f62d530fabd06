#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adaptive;
mod bounds;
mod classic;
mod law;
mod layer;
mod paced;
mod pause;
mod random;
mod sends;
mod shared;
mod time;

pub use self::{
    adaptive::Adaptive,
    classic::{Aimd, decrease, increase},
    law::{Cause, Change, Ended, Law, Sent, WindowedLaw},
    layer::{AdaptiveLayer, AimdLayer, PacedLayer, Said},
    paced::{Paced, PacedPermit},
    shared::SharedPaced,
};
