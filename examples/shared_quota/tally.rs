use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// What became of the requests on the wire. Nothing is lost: what was sent and is not one of the
/// other three is in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u32,
    pub(crate) accepted: u32,
    pub(crate) rejected: u32,
    pub(crate) failed: u32,
    closed: bool,
}

impl Counts {
    pub(crate) fn in_flight(&self) -> u32 {
        self.sent - self.accepted - self.rejected - self.failed
    }
}

/// How a request on the wire ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted,
    Rejected,
    /// Neither: a broken connection, an unexpected status, a request given up.
    None,
}

/// Counts the requests of one run. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(Arc<watch::Sender<Counts>>);

impl Tally {
    /// Counts a request as sent, or refuses it because the run is over.
    pub(crate) fn send(&self) -> Option<InFlight> {
        let sent = self.0.send_if_modified(|counts| {
            counts.sent += u32::from(!counts.closed);
            !counts.closed
        });
        sent.then(|| InFlight {
            tally: self.clone(),
            answer: Answer::None,
        })
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.0.borrow()
    }

    /// From now on nothing is sent. Waits for what is in flight, `grace` at most.
    pub(crate) async fn close(&self, grace: Duration) {
        self.0.send_modify(|counts| counts.closed = true);
        let mut counts = self.0.subscribe();
        let settled = counts.wait_for(|counts| counts.in_flight() == 0);
        // Too late is no error here: what is then given up counts as failed.
        let _ = tokio::time::timeout(grace, settled).await;
    }
}

/// A request on the wire. Dropping it counts its answer, or that it got none.
#[derive(Debug)]
pub(crate) struct InFlight {
    tally: Tally,
    answer: Answer,
}

impl InFlight {
    pub(crate) fn answered(mut self, answer: Answer) {
        self.answer = answer;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.tally.0.send_modify(|counts| match self.answer {
            Answer::Accepted => counts.accepted += 1,
            Answer::Rejected => counts.rejected += 1,
            Answer::None => counts.failed += 1,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_accepted_rejected_failed_or_in_flight() {
        let tally = Tally::default();
        tally.send().unwrap().answered(Answer::Accepted);
        tally.send().unwrap().answered(Answer::Rejected);
        tally.send().unwrap().answered(Answer::None);
        let _in_flight = tally.send().unwrap();
        let counts = tally.counts();
        let ended = (counts.accepted, counts.rejected, counts.failed);
        assert_eq!((counts.sent, ended, counts.in_flight()), (4, (1, 1, 1), 1));
    }

    #[test]
    fn a_request_given_up_in_flight_counts_as_failed() {
        let tally = Tally::default();
        drop(tally.send());
        assert_eq!(tally.counts().failed, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_close_nothing_is_sent() {
        let tally = Tally::default();
        tally.close(Duration::ZERO).await;
        assert!(tally.send().is_none());
        assert_eq!(tally.counts().sent, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_close_waits_for_what_is_in_flight_but_not_for_ever() {
        let grace = Duration::from_secs(1);
        let (tally, began) = (Tally::default(), tokio::time::Instant::now());
        let (quick, _stuck) = (tally.send().unwrap(), tally.send().unwrap());
        tokio::spawn(async move { quick.answered(Answer::Accepted) });
        tally.close(grace).await;
        assert_eq!((tally.counts().accepted, began.elapsed()), (1, grace));
    }
}
