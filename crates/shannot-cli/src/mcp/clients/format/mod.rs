//! Changes to the text of a client's configuration, with all else in it left as it is. Whatever an
//! editor does, its result is read again, and is taken only if it says what was meant.

use serde_json::{Map, Value};
use shannot::policy::text::{Source, TextError};

use super::entry::Field;

mod json;
mod toml;
mod yaml;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// With comments and trailing commas: some clients take them, and the others have none.
    Json,
    Toml,
    Yaml,
}

/// Servers by their names.
pub(super) type Servers = Map<String, Value>;

impl Format {
    /// All that a text says: always an object.
    fn value(self, source: &Source) -> Result<Servers, TextError> {
        let value = match self {
            Self::Json => json::value(source)?,
            Self::Toml => toml::value(source)?,
            Self::Yaml => yaml::value(source)?,
        };
        match value {
            Value::Object(all) => Ok(all),
            // Nothing but comments, if anything.
            Value::Null => Ok(Servers::new()),
            _ => Err(source.error(0, None, "it has to be a table of keys and values")),
        }
    }

    /// The servers below a key.
    pub(super) fn servers(self, source: &Source, key: &str) -> Result<Servers, TextError> {
        below(&self.value(source)?, key)
            .ok_or_else(|| source.error(0, Some(key), "it has to be a table of servers"))
    }

    /// The text with a server: added, or with these fields of it set and its others kept.
    pub(super) fn with(
        self,
        source: &Source,
        key: &str,
        name: &str,
        fields: &[Field],
    ) -> Result<String, TextError> {
        let mut wanted = self.value(source)?;
        let mut servers = self.servers(source, key)?;
        let known = servers.get(name).and_then(Value::as_object).cloned();
        let fields: Vec<&Field> =
            fields.iter().filter(|field| field.is_to_be_set(known.as_ref())).collect();
        if known.is_some() && fields.is_empty() {
            return Ok(source.text.clone());
        }
        let mut entry = known.unwrap_or_default();
        entry.extend(fields.iter().map(|field| (field.key.to_owned(), field.value.clone())));
        servers.insert(name.to_owned(), Value::Object(entry.clone()));
        wanted.insert(key.to_owned(), Value::Object(servers));
        let text = match self {
            Self::Json => json::with(source, key, name, &fields)?,
            Self::Toml => toml::with(source, key, name, &fields)?,
            Self::Yaml => yaml::with(source, key, name, &fields, &entry)?,
        };
        self.checked(source, text, &wanted, key)
    }

    /// The text without a server that is in it.
    pub(super) fn without(
        self,
        source: &Source,
        key: &str,
        name: &str,
    ) -> Result<String, TextError> {
        let mut wanted = self.value(source)?;
        let mut servers = self.servers(source, key)?;
        servers.remove(name);
        wanted.insert(key.to_owned(), Value::Object(servers));
        let text = match self {
            Self::Json => json::without(source, key, name)?,
            Self::Toml => toml::without(source, key, name)?,
            Self::Yaml => yaml::without(source, key, name)?,
        };
        self.checked(source, text, &wanted, key)
    }

    /// Whether two texts say the same, but for a key below which nothing is.
    pub(super) fn says_the_same(self, one: &Source, other: &Source, key: &str) -> bool {
        match (self.value(one), self.value(other)) {
            (Ok(one), Ok(other)) => without_nothing(one, key) == without_nothing(other, key),
            _ => false,
        }
    }

    fn checked(
        self,
        source: &Source,
        text: String,
        wanted: &Servers,
        key: &str,
    ) -> Result<String, TextError> {
        let after = Source { origin: source.origin.clone(), text };
        let said = self.value(&after).map(|said| without_nothing(said, key));
        match said.is_ok_and(|said| said == without_nothing(wanted.clone(), key)) {
            true => Ok(after.text),
            false => {
                let what = "it is written in a way that cannot be changed by a program safely";
                Err(source.error(0, Some(key), what).or_hint(BY_HAND))
            }
        }
    }
}

const BY_HAND: &str = "`shannot mcp install --print` shows what to put there by hand";

fn below(all: &Servers, key: &str) -> Option<Servers> {
    match all.get(key) {
        None | Some(Value::Null) => Some(Servers::new()),
        Some(Value::Object(servers)) => Some(servers.clone()),
        Some(_) => None,
    }
}

fn without_nothing(mut all: Servers, key: &str) -> Servers {
    if below(&all, key).is_some_and(|servers| servers.is_empty()) {
        all.remove(key);
    }
    all
}

#[cfg(test)]
mod tests;
