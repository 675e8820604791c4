//! Why a box could not be made or a command not be started.

use std::io;

use shannot_policy::profile::Tier;

use crate::enforcement::PassedOver;

/// Why a box could not be made or a command not be started. Nothing has run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This host does not let this tier be had; another may work.
    #[error("tier {tier} is not to be had here: failed to {step}")]
    Tier {
        /// The tier.
        tier: Tier,
        /// What failed, to follow "failed to".
        step: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A tier needs something that this host or process lacks.
    #[error("tier {tier} is not to be had here: {lacks}")]
    Lacks {
        /// The tier.
        tier: Tier,
        /// What is missing.
        lacks: String,
    },
    /// No such program in the box.
    #[error("`{program}` is not found in the box")]
    NotFound {
        /// The program as asked for.
        program: String,
    },
    /// There is such a file, and it cannot be executed.
    #[error("`{program}` cannot be executed in the box: {why}")]
    NotExecutable {
        /// The program as asked for.
        program: String,
        /// What is wrong with it.
        why: String,
    },
    /// The working directory cannot be entered in the box.
    #[error("cannot enter `{path}` in the box")]
    Cwd {
        /// The directory.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Something of this host failed that every tier needs.
    #[error("failed to {what}")]
    Host {
        /// What failed, to follow "failed to".
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A hidden path could not be looked at, so that it cannot be known to be hidden.
    #[error("cannot hide `{pattern}`")]
    Hide {
        /// The pattern.
        pattern: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Error {
    /// The tier that could not be had, when that is what went wrong.
    pub fn passed_over(&self) -> Option<PassedOver> {
        let (Self::Tier { tier, .. } | Self::Lacks { tier, .. }) = self else { return None };
        let mut why = self.to_string();
        if let Some(source) = std::error::Error::source(self) {
            why = format!("{why}: {source}");
        }
        Some(PassedOver { tier: *tier, why })
    }

    /// Whether another tier could still serve.
    pub fn is_of_tier(&self) -> bool {
        matches!(self, Self::Tier { .. } | Self::Lacks { .. })
    }
}
