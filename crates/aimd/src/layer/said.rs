use tower_throttle_core::{Classify, Verdict};
use tower_throttle_retry_after::Word;

/// What a closure says of a response, for the gate and for the law.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said<G>(
    /// A `Fn(Result<&Response, &Error>) -> Word`.
    pub G,
);

impl<G, Res, Err> Classify<Res, Err> for Said<G>
where
    G: Fn(Result<&Res, &Err>) -> Word,
{
    type Feedback = (Word, Word);

    fn classify(&self, result: Result<&Res, &Err>) -> Verdict<(Word, Word)> {
        let word = self.0(result);
        Verdict::Known((word, word))
    }
}
