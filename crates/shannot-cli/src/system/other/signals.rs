//! The one way in which a caller ends a run: Ctrl-C.

use std::io;
use std::pin::Pin;

use crate::error::Error;
use crate::run::SIGINT;

/// Ctrl-C, which is passed on as SIGINT.
pub(crate) struct Signals(Pin<Box<dyn Future<Output = io::Result<()>> + Send>>);

impl Signals {
    /// Listens from when it is first asked for one.
    pub(crate) fn listen() -> Result<Self, Error> {
        Ok(Self(Box::pin(tokio::signal::ctrl_c())))
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> i32 {
        if self.0.as_mut().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.0 = Box::pin(tokio::signal::ctrl_c());
        SIGINT
    }
}
