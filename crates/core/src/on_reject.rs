use crate::{BoxError, Rejected};

/// What becomes of a request that was refused: an error ([`Fail`]) or a response ([`Respond`]).
pub trait OnReject<Res, Err> {
    /// The error of the service.
    type Error;

    /// Answers a request that was refused.
    ///
    /// # Errors
    ///
    /// As it pleases.
    fn reject(&self, rejected: Rejected) -> Result<Res, Self::Error>;

    /// Passes on an error of the inner service.
    fn error(&self, error: Err) -> Self::Error;
}

/// A refused request fails with a boxed [`Rejected`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Fail;

/// A refused request is answered by a function, and the error type is that of the inner service:
/// a stack that can't fail still can't.
#[derive(Debug, Clone, Copy, Default)]
pub struct Respond<F>(
    /// Makes the response.
    pub F,
);

impl<Res, Err: Into<BoxError>> OnReject<Res, Err> for Fail {
    type Error = BoxError;

    fn reject(&self, rejected: Rejected) -> Result<Res, BoxError> {
        Err(rejected.into())
    }

    fn error(&self, error: Err) -> BoxError {
        error.into()
    }
}

impl<Res, Err, F: Fn(Rejected) -> Res> OnReject<Res, Err> for Respond<F> {
    type Error = Err;

    fn reject(&self, rejected: Rejected) -> Result<Res, Err> {
        Ok(self.0(rejected))
    }

    fn error(&self, error: Err) -> Err {
        error
    }
}
