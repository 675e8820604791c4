//! A value of the configuration and where it is from.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A value and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// Where a value is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// No file states it.
    Default,
    /// A file does. Line and column, in characters, are from 1.
    File { path: Arc<Path>, line: usize, column: usize },
}

impl<T> Value<T> {
    pub(super) fn map<U>(self, to: impl FnOnce(T) -> U) -> Value<U> {
        Value { value: to(self.value), origin: self.origin }
    }

    pub(super) fn or_default(stated: Option<Self>, default: T) -> Self {
        stated.unwrap_or(Self { value: default, origin: Origin::Default })
    }
}

impl Origin {
    /// The file that states it.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Default => None,
            Self::File { path, .. } => Some(path),
        }
    }

    /// Its line and column there, from 1.
    pub(crate) fn place(&self) -> Option<(usize, usize)> {
        match self {
            Self::Default => None,
            Self::File { line, column, .. } => Some((*line, *column)),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, .. } => write!(f, "{}:{line}", path.display()),
        }
    }
}
