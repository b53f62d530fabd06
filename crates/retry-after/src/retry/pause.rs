use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

pin_project! {
    /// The wait before a retry.
    ///
    /// One of no length has no timer, and is over at once.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Pause {
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Pause {
    pub(super) fn new(wait: Duration) -> Self {
        let sleep = (!wait.is_zero()).then(|| sleep(wait));
        Self { sleep }
    }
}

impl Future for Pause {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.project().sleep.as_pin_mut() {
            Some(sleep) => sleep.poll(cx),
            None => Poll::Ready(()),
        }
    }
}
