use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Instant,
};

use tower::Service;

/// A service that answers at once with the request, and panics when it is called without having
/// been polled ready.
///
/// A clone starts unready. Each readied instance has one of `slots` reserved, until it is called or
/// dropped.
#[derive(Debug)]
pub(crate) struct Probe {
    shared: Arc<Mutex<State>>,
    reserved: bool,
}

/// What the tests see of a [`Probe`] and its clones.
#[derive(Debug, Clone)]
pub(crate) struct ProbeHandle(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    open: usize,
    reserved: usize,
    clones: usize,
    error: bool,
    calls: Vec<(u32, Instant)>,
    wakers: Vec<Waker>,
}

/// The error of a [`Probe`] that got stuck for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stuck;

impl Probe {
    /// `slots` instances can be ready at the same time.
    pub(crate) fn new(slots: usize) -> (Self, ProbeHandle) {
        let shared = Arc::new(Mutex::new(State {
            open: slots,
            ..State::default()
        }));
        let handle = ProbeHandle(Arc::clone(&shared));
        let reserved = false;
        (Self { shared, reserved }, handle)
    }

    pub(crate) fn roomy() -> (Self, ProbeHandle) {
        Self::new(usize::MAX)
    }

    fn release(&mut self) {
        if std::mem::take(&mut self.reserved) {
            let mut state = self.shared.lock().unwrap();
            state.reserved -= 1;
            wake(state);
        }
    }
}

impl ProbeHandle {
    /// How many instances have a slot reserved.
    pub(crate) fn reserved(&self) -> usize {
        self.state().reserved
    }

    /// How often the service was cloned.
    pub(crate) fn clones(&self) -> usize {
        self.state().clones
    }

    /// Which requests arrived, in order.
    pub(crate) fn calls(&self) -> Vec<u32> {
        self.state().calls.iter().map(|&(call, _)| call).collect()
    }

    /// When each request arrived.
    pub(crate) fn times(&self) -> Vec<Instant> {
        self.state().calls.iter().map(|&(_, at)| at).collect()
    }

    /// From now on `slots` instances can be ready at the same time.
    pub(crate) fn open(&self, slots: usize) {
        let mut state = self.state();
        state.open = slots;
        wake(state);
    }

    /// From now on `poll_ready` fails.
    pub(crate) fn fail(&self) {
        let mut state = self.state();
        state.error = true;
        wake(state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let wakers = std::mem::take(&mut state.wakers);
    drop(state);
    wakers.into_iter().for_each(Waker::wake);
}

impl Service<u32> for Probe {
    type Response = u32;
    type Error = Stuck;
    type Future = Ready<Result<u32, Stuck>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stuck>> {
        let mut state = self.shared.lock().unwrap();
        if state.error {
            return Poll::Ready(Err(Stuck));
        }
        if !self.reserved && state.reserved < state.open {
            state.reserved += 1;
            self.reserved = true;
        }
        if self.reserved {
            return Poll::Ready(Ok(()));
        }
        state.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    fn call(&mut self, request: u32) -> Self::Future {
        assert!(self.reserved, "called without having been polled ready");
        let call = (request, tower_throttle_core::now());
        self.shared.lock().unwrap().calls.push(call);
        self.release();
        ready(Ok(request))
    }
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        self.shared.lock().unwrap().clones += 1;
        Self {
            shared: Arc::clone(&self.shared),
            reserved: false,
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.release();
    }
}

impl std::fmt::Display for Stuck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the service got stuck")
    }
}

impl std::error::Error for Stuck {}
