use crate::{InFlight, Limiter, Verdict};

/// A call whose response has begun, and that ends with that unless somebody [takes](Self::take) it.
#[derive(Debug)]
pub struct Answered<'a, L: Limiter> {
    in_flight: &'a mut Option<InFlight<L>>,
    verdict: Option<Verdict<L::Feedback>>,
}

impl<'a, L: Limiter> Answered<'a, L> {
    /// A call of which the head of the response says so much. `in_flight` is `None` for a request that
    /// no limiter counts.
    #[inline]
    pub fn new(in_flight: &'a mut Option<InFlight<L>>, verdict: Verdict<L::Feedback>) -> Self {
        Self::of(in_flight, Some(verdict))
    }

    #[inline]
    pub(crate) fn of(
        in_flight: &'a mut Option<InFlight<L>>,
        verdict: Option<Verdict<L::Feedback>>,
    ) -> Self {
        Self { in_flight, verdict }
    }

    /// Takes the call, to end it later. `None` if no limiter counts it, or it was taken already.
    #[inline]
    pub fn take(&mut self) -> Option<(InFlight<L>, Verdict<L::Feedback>)> {
        self.in_flight.take().zip(self.verdict.take())
    }
}

/// Ends the call. On drop, since the response is where it belongs by then: the lock that ends a call
/// would hold up the copying of it otherwise.
impl<L: Limiter> Drop for Answered<'_, L> {
    #[inline]
    fn drop(&mut self) {
        let Some((in_flight, verdict)) = self.take() else {
            return;
        };
        let feedback = match verdict {
            Verdict::Known(feedback) => Some(feedback),
            Verdict::Later(judge) => judge(None),
        };
        if let Some(feedback) = feedback {
            in_flight.complete(feedback);
        }
    }
}
