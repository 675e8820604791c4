//! Where a request runs.

use std::fmt;
use std::os::fd::OwnedFd;

use bytes::Bytes;
use shannot_policy::Grant;

use crate::run::Run;

mod conduct;
mod far;
mod local;
mod probe;
mod relay;
mod ssh;
mod start;
mod threads;
mod warm;

pub use local::{LocalExecutor, TierTrial};
pub use ssh::{
    Answer, Deployed, FarPath, Helper, Sha256Hex, SshExecutor, SshTarget, Step, deploy, probe,
};

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

/// What a run is fed and where its output goes.
#[derive(Debug, Default)]
pub struct Io {
    /// Standard input of the first stage.
    pub stdin: Input,
    /// Standard output and error.
    pub output: Output,
}

/// Standard input of the first stage. The box never gets the caller's own descriptor, only a
/// pipe that is filled from it.
#[derive(Debug, Default)]
pub enum Input {
    /// Nothing: the end of the file at once.
    #[default]
    Empty,
    /// These bytes.
    Bytes(Bytes),
    /// Whatever this descriptor gives, as far as the command reads.
    Fd(OwnedFd),
}

/// Where standard output and error go.
#[derive(Debug, Default)]
pub enum Output {
    /// To the caller, as events.
    #[default]
    Events,
    /// Straight to these descriptors, byte for byte; the events then only tell the end.
    Fds {
        /// For standard output.
        stdout: OwnedFd,
        /// For standard error.
        stderr: OwnedFd,
    },
}
