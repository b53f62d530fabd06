use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{InFlight, Limiter};

/// A call that its caller ends, found in the extensions of a response held by
/// [`Caller`](crate::hold::Caller).
///
/// Clones stand for the same call. Dropping the last one ends it without feedback.
pub struct Settlement<L: Limiter>(Arc<Mutex<Option<InFlight<L>>>>);

impl<L: Limiter> Settlement<L> {
    pub(super) fn new(in_flight: InFlight<L>) -> Self {
        Self(Arc::new(Mutex::new(Some(in_flight))))
    }

    /// Ends the call. Returns the feedback if it had been ended already.
    ///
    /// # Errors
    ///
    /// If another clone has settled this call.
    pub fn settle(&self, feedback: L::Feedback) -> Result<(), L::Feedback> {
        // The lock is released first: whoever is woken may look at this.
        let in_flight = self.in_flight().take();
        match in_flight {
            Some(in_flight) => {
                in_flight.complete(feedback);
                Ok(())
            }
            None => Err(feedback),
        }
    }

    /// Whether somebody has ended the call.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.in_flight().is_none()
    }

    fn in_flight(&self) -> MutexGuard<'_, Option<InFlight<L>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Limiter> Clone for Settlement<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: Limiter> fmt::Debug for Settlement<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settlement")
            .field("settled", &self.is_settled())
            .finish()
    }
}
