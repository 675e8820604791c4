//! What a command line calls servers and clients.

use std::fmt;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::table::{CLIENTS, Client};
use crate::args::Global;
use crate::targets::Selection;

/// What a client calls a server. It stands in the names of tools that a model sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerName(String);

/// A text that is no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no name for a server: use 1 to 64 of A-Z, a-z, 0-9, `-` and `_`, starting with a letter", .0.escape_debug())]
pub(crate) struct NoServerName(String);

impl ServerName {
    const DEFAULT: &'static str = "shannot";
    const LONGEST: usize = 64;

    /// The one that is asked for, or the usual one.
    pub(super) fn of(asked: Option<&Self>, global: &Global) -> Self {
        if let Some(name) = asked {
            return name.clone();
        }
        match global.target.as_ref().and_then(Selection::only) {
            Some(target) => {
                let target = target.as_str().replace('.', "-");
                let mut name = format!("{}-{target}", Self::DEFAULT);
                // A target's name alone may be as long.
                name.truncate(Self::LONGEST);
                Self(name)
            }
            None => Self(Self::DEFAULT.to_owned()),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerName {
    type Err = NoServerName;
    fn from_str(text: &str) -> Result<Self, NoServerName> {
        let ok = text.len() <= Self::LONGEST
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if ok { Ok(Self(text.to_owned())) } else { Err(NoServerName(text.to_owned())) }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A client that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    /// Every one that it makes sense for.
    All,
    One(&'static Client),
}

impl Wanted {
    const ALL: &'static str = "all";

    /// Reads the name of a client, or `all`.
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        let names = CLIENTS.iter().map(|client| client.id).chain([Self::ALL]);
        PossibleValuesParser::new(names)
            .map(|name| Client::named(&name).map_or(Self::All, Self::One))
    }

    /// Reads the name of a client.
    pub(crate) fn parser_of_one() -> impl TypedValueParser<Value = &'static Client> {
        let names = PossibleValuesParser::new(CLIENTS.iter().map(|client| client.id));
        names.try_map(|name| Client::named(&name).ok_or("there is no such client"))
    }

    /// Those that are meant, each once; `all` are those of which this says so.
    pub(super) fn clients(
        wanted: &[Self],
        is_meant: impl Fn(&'static Client) -> bool,
    ) -> Vec<&'static Client> {
        let is_wanted = |client: &&'static Client| {
            wanted.iter().any(|wanted| match wanted {
                Self::One(one) => one.id == client.id,
                Self::All => is_meant(client),
            })
        };
        CLIENTS.iter().filter(is_wanted).collect()
    }
}
