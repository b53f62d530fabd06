use std::task::Waker;

/// How many are woken each time the lock is let go (tokio's own number).
const BATCH: usize = 32;

/// Wakers to be woken once the lock is released.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    wakers: [Option<Waker>; BATCH],
    len: usize,
}

impl Wakers {
    pub(crate) fn is_full(&self) -> bool {
        self.len == BATCH
    }

    /// Adds one; there must be room.
    pub(crate) fn push(&mut self, waker: Waker) {
        if let Some(place) = self.wakers.get_mut(self.len) {
            *place = Some(waker);
            self.len += 1;
        }
    }

    pub(crate) fn wake_all(&mut self) {
        let woken = self.wakers.iter_mut().take(self.len);
        woken.filter_map(Option::take).for_each(Waker::wake);
        self.len = 0;
    }
}

/// Somebody's grant is in here: it must not be lost to a panic elsewhere.
impl Drop for Wakers {
    fn drop(&mut self) {
        self.wake_all();
    }
}
