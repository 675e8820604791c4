//! Where a request runs.

use std::fmt;

use shannot_policy::Grant;

use crate::event::Failure;
use crate::run::Run;

mod far;
mod io;
mod ssh;

pub use io::{Input, Io, Output, Reader, Writer};
pub use ssh::{
    Answer, Deployed, FarPath, Helper, Sha256Hex, SshExecutor, SshTarget, Step, deploy, probe,
};

#[cfg(boxes)]
mod conduct;
#[cfg(boxes)]
mod local;
#[cfg(boxes)]
mod passage;
#[cfg(boxes)]
mod probe;
#[cfg(boxes)]
mod relay;
#[cfg(boxes)]
mod start;
#[cfg(boxes)]
mod threads;
#[cfg(boxes)]
mod warm;

#[cfg(boxes)]
pub use local::{LocalExecutor, TierTrial};

/// Something that runs what was granted.
///
/// `start` does not fail: whatever goes wrong is told by the run's last event, where a caller
/// looks anyway. The contract of every executor: all output comes before [`crate::Event::Ended`],
/// which comes exactly once; a run that is dropped ends its box; no output is held beyond a few
/// chunks, a caller that does not read holds the command up.
pub trait Executor: fmt::Debug + Send + Sync {
    /// Starts a run.
    fn start(&self, grant: Grant, io: Io) -> Run;
}

fn internal(what: &'static str, source: impl Into<std::io::Error>) -> Failure {
    Failure::Internal { what, source: source.into() }
}
