use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use crate::{generator::lock, spread::Spread};

/// A request that is delayed. Dropped before it leaves, it is given up.
#[derive(Debug)]
pub(crate) struct Turn {
    spread: Arc<Mutex<Spread>>,
    at: Instant,
    left: bool,
}

impl Turn {
    pub(crate) fn new(spread: &Arc<Mutex<Spread>>, at: Instant) -> Self {
        Self {
            spread: Arc::clone(spread),
            at,
            left: false,
        }
    }

    pub(crate) fn leave(mut self) {
        self.left = true;
        lock(&self.spread).left();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.left {
            lock(&self.spread).give_up(self.at);
        }
    }
}
