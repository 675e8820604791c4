//! The errors that this engine makes of what the kernel answers.

use std::io;

use shannot_policy::profile::Tier;

use super::step::Step;
use super::sys::Errno;
pub(super) use crate::error::Error;

impl Error {
    pub(crate) fn host(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Host { what: what.into(), source: source.into() }
    }

    /// A step of the child that failed.
    pub(super) fn step(tier: Tier, step: Step, errno: Errno, program: &str, cwd: &str) -> Self {
        let source = io::Error::from(errno);
        match (step, errno.0) {
            (Step::Program, libc::ENOENT | libc::ENOTDIR) => {
                Self::NotFound { program: program.to_owned() }
            }
            (Step::Program | Step::Exec, _) => {
                Self::NotExecutable { program: program.to_owned(), why: source.to_string() }
            }
            (Step::Cwd, _) => Self::Cwd { path: cwd.to_owned(), source },
            _ => Self::Tier { tier, step: step.describe(), source },
        }
    }
}
