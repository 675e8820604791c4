//! What a run tells while it runs, and how it ended.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shannot_policy::Denial;
use shannot_policy::types::AbsPath;
use shannot_sandbox::Enforcement;

/// One thing that happened. Output comes in order within each stream; [`Event::Ended`] is last.
#[derive(Debug)]
pub enum Event {
    /// Standard output of the last stage.
    Stdout(Bytes),
    /// Standard error of any stage.
    Stderr(Bytes),
    /// The run is over and every process of it gone, unless the outcome says otherwise.
    Ended(Box<Outcome>),
}

/// A stream that commands write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// How the last stage, or the run as a whole, ended.
    pub end: End,
    /// How each stage ended; `None` for one that the run's end took with it.
    pub stages: Vec<Option<StageEnd>>,
    /// Where the commands started; `None` when they never did.
    pub cwd: Option<AbsPath>,
    /// The limits that were reached.
    pub limits_hit: Vec<Limit>,
    /// Bytes of standard output that the commands wrote and the run passed on.
    pub stdout_bytes: u64,
    /// Bytes of standard error.
    pub stderr_bytes: u64,
    /// From the request's start to the end of the box.
    pub duration: Duration,
    /// What was in force; `None` when no box was made.
    pub enforcement: Option<Enforcement>,
    /// Whether a process of the run was still stuck in the kernel when the run was given up: it
    /// has been killed and ends when the kernel lets it.
    pub lingering: bool,
}

impl Outcome {
    /// The outcome of what its caller did not want any more before it was started.
    pub fn cancelled() -> Self {
        Self::never(End::Cancelled)
    }

    /// The outcome of what never started, for this reason.
    pub(crate) fn never(end: End) -> Self {
        let timed_out = matches!(end, End::TimedOut);
        Self {
            end,
            stages: Vec::new(),
            cwd: None,
            limits_hit: if timed_out { vec![Limit::Wall] } else { Vec::new() },
            stdout_bytes: 0,
            stderr_bytes: 0,
            duration: Duration::ZERO,
            enforcement: None,
            lingering: false,
        }
    }
}

/// How the last stage, or the run as a whole, ended.
#[derive(Debug)]
pub enum End {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
    /// By the wall-clock limit.
    TimedOut,
    /// By another limit of the profile.
    LimitReached(Limit),
    /// By the caller.
    Cancelled,
    /// It never started.
    Failed(Failure),
}

/// How one stage ended.
pub use shannot_sandbox::StageStatus as StageEnd;

/// A limit of the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Wall-clock time.
    Wall,
    /// CPU time of a process.
    Cpu,
    /// Memory of the box.
    Memory,
    /// Output held for the caller.
    Output,
    /// Processes and threads.
    Processes,
}

impl Limit {
    /// The name in profiles and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Output => "output",
            Self::Processes => "processes",
        }
    }
}

/// Why a run never started, or cannot be known to have ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No tier that the profile accepts can be had on this host.
    #[error("this host cannot box commands for the profile `{profile}`{}", reasons(.tried))]
    NoTier {
        /// The profile.
        profile: String,
        /// Why each tier that was tried failed, in order.
        tried: Vec<shannot_sandbox::Error>,
    },
    /// The box could be had; the command could not be started in it.
    #[error(transparent)]
    Start(#[from] shannot_sandbox::Error),
    /// Something of this process failed: a pipe, a thread, the runtime.
    #[error("failed to {what}")]
    Internal {
        /// What failed, to follow "failed to".
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Another host could not be reached, or was lost.
    #[error(transparent)]
    Unreachable(Box<Unreachable>),
    /// A profile of another host's denies the request.
    #[error("{host}: {denial}")]
    Denied {
        /// The target.
        host: String,
        /// Why.
        denial: Box<Denial>,
    },
    /// Another failure, of another host's.
    #[error("{host}: {message}")]
    Far {
        /// The target.
        host: String,
        /// What kind it is there.
        kind: FailureKind,
        /// What it says.
        message: String,
    },
}

/// That another host could not be reached, or was lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host}: {what}")]
pub struct Unreachable {
    /// The target.
    pub host: String,
    /// What went wrong.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether it could be reached, and lacks only the helper.
    pub lacks_helper: bool,
}

impl Unreachable {
    /// A host that could not be reached.
    pub(crate) fn new(host: &str, what: impl Into<String>, hint: Option<String>) -> Self {
        Self { host: host.to_owned(), what: what.into(), hint, lacks_helper: false }
    }
}

/// What kind of failure one is, which scripts may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The host cannot box commands for the profile.
    NoTier,
    /// There is no such program in the box.
    NotFound,
    /// There is, and it cannot be executed.
    NotExecutable,
    /// The working directory cannot be entered in the box.
    Cwd,
    /// Something of the host or the program failed.
    Internal,
    /// The host could not be reached, or was lost.
    Unreachable,
    /// A profile denies the request.
    Denied,
    /// There is no such profile, or the caller may not bring one.
    Profile,
    /// The request means nothing to the agent.
    Request,
}

impl Failure {
    /// What kind of failure it is.
    pub fn kind(&self) -> FailureKind {
        use shannot_sandbox::Error as Start;
        match self {
            Self::NoTier { .. } => FailureKind::NoTier,
            Self::Start(Start::NotFound { .. }) => FailureKind::NotFound,
            Self::Start(Start::NotExecutable { .. }) => FailureKind::NotExecutable,
            Self::Start(Start::Cwd { .. }) => FailureKind::Cwd,
            Self::Start(_) | Self::Internal { .. } => FailureKind::Internal,
            Self::Unreachable(_) => FailureKind::Unreachable,
            Self::Denied { .. } => FailureKind::Denied,
            Self::Far { kind, .. } => *kind,
        }
    }
}

fn reasons(tried: &[shannot_sandbox::Error]) -> String {
    if tried.is_empty() {
        return ": it accepts no tier that this user could have".to_owned();
    }
    let mut text = String::new();
    for error in tried {
        text.push_str("\n  ");
        text.push_str(&error.to_string());
        if let Some(source) = std::error::Error::source(error) {
            text.push_str(": ");
            text.push_str(&source.to_string());
        }
    }
    text
}
