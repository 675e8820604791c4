//! What can go wrong outside a box, and what the caller can do about it.

use std::path::PathBuf;

use shannot::policy::text::TextError;
use shannot::policy::types::TypeError;
use shannot::policy::{Denial, RequestError};
use shannot::{Failure, FailureKind, Refusal};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// The profile denies the request.
    #[error(transparent)]
    Denied(Denial),
    /// The gate refuses the request for another reason.
    #[error(transparent)]
    Refused(Refusal),
    /// The request cannot be made.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The directory of `--cwd` cannot be named in the box.
    #[error("cannot start in `{path}`")]
    Cwd { path: PathBuf, source: TypeError },
    /// A profile's name that is not one.
    #[error(transparent)]
    ProfileName(TypeError),
    /// No profile of that name.
    #[error("there is no profile `{name}`")]
    NoProfile { name: String, hint: String },
    /// A file that may not be a profile, or configuration.
    #[error("cannot take `{path}` as {role}: {why}")]
    Untrusted { path: PathBuf, role: &'static str, why: String, hint: String },
    /// A file that cannot be read.
    #[error("cannot read `{path}`")]
    Read { path: PathBuf, source: std::io::Error },
    /// A file that cannot be written.
    #[error("cannot write `{path}`")]
    Write { path: PathBuf, source: std::io::Error },
    /// A file that would be overwritten.
    #[error("`{path}` is there already")]
    Exists { path: PathBuf },
    /// A text that is wrong.
    #[error(transparent)]
    Text(Box<TextError>),
    /// A profile whose file has the name of another.
    #[error("`{path}` holds the profile `{holds}`, not `{wanted}`")]
    Misnamed { path: PathBuf, holds: String, wanted: String },
    /// No target of that name.
    #[error("there is no target `{name}`")]
    NoTarget { name: String, hint: String },
    /// A target of that name that shall be kept.
    #[error("there is a target `{name}` already, at {place}")]
    TargetExists { name: String, place: String },
    /// A target in another file than the one that is edited.
    #[error("`{name}` stands in `{path}`, not in `{edited}`")]
    ElsewhereStated { name: String, path: PathBuf, edited: PathBuf },
    /// There is no place for the user's configuration.
    #[error("there is no place for your configuration: neither $XDG_CONFIG_HOME nor $HOME is set")]
    NoHome,
    /// What was asked for on the command line does not go together.
    #[error("{what}")]
    Asked { what: String, hint: String },
    /// The box could not be had.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// Something of this process failed.
    #[error("failed to {what}")]
    Internal { what: &'static str, source: std::io::Error },
}

impl Error {
    pub(crate) fn internal(what: &'static str, source: impl Into<std::io::Error>) -> Self {
        Self::Internal { what, source: source.into() }
    }

    /// What the caller can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Denied(denial) => denial.hint.as_deref().map(str::to_owned),
            Self::Text(error) => error.hint().map(str::to_owned),
            Self::NoProfile { hint, .. }
            | Self::Untrusted { hint, .. }
            | Self::NoTarget { hint, .. }
            | Self::Asked { hint, .. } => Some(hint.clone()),
            Self::Misnamed { .. } => {
                Some("give the file and the profile in it the same name".to_owned())
            }
            Self::ElsewhereStated { path, .. } => {
                Some(format!("edit that file, or give it with `--config {}`", path.display()))
            }
            Self::NoHome => Some("name a file with `--config`".to_owned()),
            Self::Exists { .. } | Self::TargetExists { .. } => {
                Some("`--force` replaces it".to_owned())
            }
            // It might say something else of where or what, so that it cannot be passed over.
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                Some("let your user read it, or give another with $HOME or --config".to_owned())
            }
            Self::Cwd { .. } => Some("write the path without `.` and `..`".to_owned()),
            Self::Failure(failure) => hint_of_failure(failure),
            Self::Refused(_)
            | Self::Request(_)
            | Self::ProfileName(_)
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Internal { .. } => None,
        }
    }

    /// The message with those of its causes.
    pub(crate) fn chain(&self) -> String {
        chain(self)
    }
}

/// What a caller can do about a box that was not to be had.
pub(crate) fn hint_of_failure(failure: &Failure) -> Option<String> {
    let hint = match (failure, failure.kind()) {
        (Failure::Unreachable(lost), _) => return lost.hint.clone(),
        (Failure::Denied { denial, .. }, _) => return denial.hint.as_deref().map(str::to_owned),
        (Failure::Far { host, .. }, FailureKind::NoTier) => {
            return Some(format!("`shannot doctor` on `{host}` tells what that host lacks"));
        }
        (_, FailureKind::NoTier) => "`shannot doctor` tells what this host lacks",
        (_, FailureKind::NotFound) => {
            "the box looks in /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin and /bin"
        }
        (_, FailureKind::Cwd) => "the box hides it or its user may not enter it; try `--cwd /`",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The message of an error with those of its causes, on one line but for its own line breaks.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(denial) => Self::Denied(denial),
            other => Self::Refused(other),
        }
    }
}

impl From<TextError> for Error {
    fn from(error: TextError) -> Self {
        Self::Text(Box::new(error))
    }
}
