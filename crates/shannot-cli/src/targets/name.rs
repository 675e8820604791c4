//! The names of targets and groups.

use std::fmt;
use std::str::FromStr;

/// The name of a target or of a group.
///
/// It stands in lists with commas, after `@`, in logs, in metrics and in names of tools.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TargetName(String);

/// A text that is no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is no name for a target: use 1 to 64 of A-Z, a-z, 0-9, `-`, `_` and `.`, starting with a letter or digit",
    .0.escape_debug()
)]
pub(crate) struct NoTargetName(String);

impl TargetName {
    /// The name of this machine.
    pub(crate) const LOCAL: &'static str = "local";

    pub(crate) fn local() -> Self {
        Self(Self::LOCAL.to_owned())
    }

    /// The name as a key of TOML.
    pub(crate) fn toml_key(&self) -> String {
        // No other character of a name is special.
        if self.0.contains('.') { format!("\"{}\"", self.0) } else { self.0.clone() }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TargetName {
    type Err = NoTargetName;
    fn from_str(text: &str) -> Result<Self, NoTargetName> {
        let ok = text.len() <= 64
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if ok { Ok(Self(text.to_owned())) } else { Err(NoTargetName(text.to_owned())) }
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a command names to run on: targets and, after `@`, groups, with commas between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection(Vec<Selected>);

/// One word of a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selected {
    Target(TargetName),
    Group(TargetName),
}

impl Selection {
    pub(crate) fn words(&self) -> &[Selected] {
        &self.0
    }

    /// A selection of each word alone.
    pub(crate) fn each(&self) -> impl Iterator<Item = Self> {
        self.0.iter().map(|word| Self(vec![word.clone()]))
    }

    /// The target, where nothing but one is named.
    pub(crate) fn only(&self) -> Option<&TargetName> {
        match &self.0[..] {
            [Selected::Target(name)] => Some(name),
            _ => None,
        }
    }
}

impl FromStr for Selection {
    type Err = NoTargetName;
    fn from_str(text: &str) -> Result<Self, NoTargetName> {
        let word = |word: &str| match word.strip_prefix('@') {
            Some(name) => name.parse().map(Selected::Group),
            None => word.parse().map(Selected::Target),
        };
        text.split(',').map(word).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, word) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match word {
                Selected::Target(name) => write!(f, "{comma}{name}")?,
                Selected::Group(name) => write!(f, "{comma}@{name}")?,
            }
        }
        Ok(())
    }
}
