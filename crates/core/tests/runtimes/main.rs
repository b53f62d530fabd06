//! Several runtimes, dying runtimes, runtimes without time, and no runtime.
//!
//! Real threads and real time: what is awaited takes some milliseconds, and nothing sleeps. A test
//! that hangs is given up after a while, in `bounded`.

#[path = "../probe/mod.rs"]
mod probe;

mod alternating;
mod dying;
mod foreign;
mod storm;
mod timeless;

use std::{future::poll_fn, pin::Pin, sync::mpsc, task::Poll, thread, time::Duration};

use tokio::runtime::{Builder, Runtime};
use tower_throttle_core::{Limiter, Permit, Rejected, Shared};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flavour {
    CurrentThread,
    MultiThread,
}

const FLAVOURS: [Flavour; 2] = [Flavour::CurrentThread, Flavour::MultiThread];

impl Flavour {
    fn builder(self) -> Builder {
        match self {
            Self::CurrentThread => Builder::new_current_thread(),
            Self::MultiThread => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(2);
                builder
            }
        }
    }

    fn build(self) -> Runtime {
        self.builder().enable_time().build().unwrap()
    }
}

/// Runs a test on a thread of its own, and gives up on it if it hangs.
fn bounded(test: impl FnOnce() + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let test = thread::spawn(move || {
        test();
        done.send(()).unwrap();
    });
    match finished.recv_timeout(Duration::from_secs(30)) {
        Ok(()) => test.join().unwrap(),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(test.join().unwrap_err())
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
    }
}

/// Waits for a permit, and says when it stands in line.
async fn acquire_and_tell<L: Limiter>(
    shared: Shared<L>,
    cost: L::Cost,
    in_line: mpsc::Sender<()>,
) -> Result<Permit<L>, Rejected> {
    let mut acquire = shared.acquire(cost);
    let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut acquire).poll(cx))).await;
    in_line.send(()).unwrap();
    match first {
        Poll::Ready(permit) => permit,
        Poll::Pending => acquire.await,
    }
}
