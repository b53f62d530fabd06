//! Tasks that wait for a limiter which never has enough for all.

pub(crate) mod cancel;
pub(crate) mod memory;
pub(crate) mod pace;

mod crowd;
mod log;
mod peers;
mod score;

use tokio::runtime::{Builder, Runtime};

pub(crate) use self::{
    crowd::{Acquire, Contender, Crowd},
    peers::Called,
};

fn current_thread() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
}

fn two_workers() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime")
}
