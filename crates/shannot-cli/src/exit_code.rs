//! Exit codes, which scripts rely on.

use shannot::{End, Failure, FailureKind, Outcome};

use crate::error::Error;

/// How this program ends. Those of `run` follow `timeout(1)` and `env(1)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// 0: all is well.
    Fine,
    /// 1: not `run`: something was found that should be looked at.
    Finding,
    /// 2: not `run`: the command line is wrong, or the question could not be answered.
    Usage,
    /// The command's own, from 0 to 255.
    Command(u8),
    /// 124: the command was ended by the wall-clock limit.
    TimedOut,
    /// 125: Shannot failed, the command line is wrong, or another limit was reached.
    Failed,
    /// 126: denied by the profile, or there and not executable.
    Denied,
    /// 127: not found in the box.
    NotFound,
    /// 128 + n: ended by signal n.
    Signal(u8),
}

impl ExitCode {
    /// The number that the caller sees.
    pub(crate) const fn as_u8(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Finding => 1,
            Self::Usage => 2,
            Self::Command(code) => code,
            Self::TimedOut => 124,
            Self::Failed => 125,
            Self::Denied => 126,
            Self::NotFound => 127,
            Self::Signal(n) => 128_u8.saturating_add(n),
        }
    }

    /// That of `run` for a command that was started, or should have been. `passed_on` is the last
    /// signal that this process received and passed on.
    pub(crate) fn of_outcome(outcome: &Outcome, passed_on: Option<i32>) -> Self {
        match &outcome.end {
            End::TimedOut => Self::TimedOut,
            End::Cancelled => passed_on.map_or(Self::Failed, Self::of_signal),
            End::Failed(failure) => Self::of_failure(failure),
            End::LimitReached(_) => Self::Failed,
            // What a limit ended, in any stage, is not a whole answer.
            End::Exited(_) | End::Signaled(_) if !outcome.limits_hit.is_empty() => Self::Failed,
            End::Exited(code) => Self::Command(u8::try_from(*code).unwrap_or(u8::MAX)),
            End::Signaled(signal) => Self::of_signal(*signal),
        }
    }

    /// That of `run` for several targets: the greatest, which is 0 only if all are.
    pub(crate) fn greatest(codes: impl IntoIterator<Item = Self>) -> Self {
        codes.into_iter().max_by_key(|code| code.as_u8()).unwrap_or(Self::Fine)
    }

    /// That of `run` for what never started.
    pub(crate) fn of_error(error: &Error) -> Self {
        match error {
            Error::Denied(_) => Self::Denied,
            Error::Failure(failure) => Self::of_failure(failure),
            _ => Self::Failed,
        }
    }

    fn of_failure(failure: &Failure) -> Self {
        match failure.kind() {
            FailureKind::NotFound => Self::NotFound,
            FailureKind::NotExecutable | FailureKind::Denied => Self::Denied,
            _ => Self::Failed,
        }
    }

    /// That of `run` for what a signal to this program has ended.
    pub(crate) fn of_signal(signal: i32) -> Self {
        Self::Signal(u8::try_from(signal).unwrap_or(u8::MAX))
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        code.as_u8().into()
    }
}
