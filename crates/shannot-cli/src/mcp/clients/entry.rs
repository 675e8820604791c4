//! What a client is told: the program to start and its words, in the keys that it has for them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::args::{Global, ToolSet};
use crate::error::Error;
use crate::mcp::settings::several;
use crate::profiles::is_path;
use crate::surroundings::Surroundings;

/// A program and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) program: String,
    pub(super) args: Vec<String>,
}

/// A key of an entry, and its value.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) value: Value,
    stays: Stays,
}

/// What becomes of a value that a person may have set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stays {
    /// It is ours: it is set.
    Never,
    /// It stays whatever it is: it is only set where there is none.
    Always,
}

impl Field {
    const fn ours(key: &'static str, value: Value) -> Self {
        Self { key, value, stays: Stays::Never }
    }

    const fn wish(key: &'static str, value: Value) -> Self {
        Self { key, value, stays: Stays::Always }
    }

    /// Whether an entry that is there, if any, has to be changed for this one.
    pub(super) fn is_to_be_set(&self, entry: Option<&Map<String, Value>>) -> bool {
        match (entry.and_then(|entry| entry.get(self.key)), self.stays) {
            (None, _) => true,
            (Some(_), Stays::Always) => false,
            (Some(value), Stays::Never) => *value != self.value,
        }
    }
}

/// Which keys a client has for a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `command` and `args`.
    Plain,
    /// The same, and a `type`.
    Typed,
    /// The same, and which tools.
    Copilot,
    Zed,
    Goose,
    Opencode,
}

impl Shape {
    /// The entry, in the order in which it is written.
    pub(super) fn fields(self, name: &str, launch: &Launch) -> Vec<Field> {
        let Launch { program, args } = launch;
        let command = Field::ours("command", json!(program));
        let words = Field::ours("args", json!(args));
        match self {
            Self::Plain => vec![command, words],
            Self::Typed => vec![Field::ours("type", json!("stdio")), command, words],
            Self::Copilot => {
                let local = Field::wish("type", json!("local"));
                vec![local, command, words, Field::wish("tools", json!(["*"]))]
            }
            Self::Zed => vec![Field::wish("source", json!("custom")), command, words],
            Self::Goose => vec![
                Field::wish("enabled", json!(true)),
                Field::ours("type", json!("stdio")),
                Field::wish("name", json!(name)),
                Field::wish("description", json!("Read-only diagnostics of hosts")),
                Field::ours("cmd", json!(program)),
                words,
                Field::wish("envs", json!({})),
                Field::wish("timeout", json!(300)),
            ],
            Self::Opencode => {
                let all: Vec<&String> = std::iter::once(program).chain(args).collect();
                vec![
                    Field::ours("type", json!("local")),
                    Field::ours("command", json!(all)),
                    Field::wish("enabled", json!(true)),
                ]
            }
        }
    }

    /// The program of an entry; `None` where it starts none.
    pub(super) fn launch(self, entry: &Value) -> Option<Launch> {
        let words = |value: Option<&Value>| -> Option<Vec<String>> {
            let all = value?.as_array()?.iter();
            all.map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let text = |key| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        if self == Self::Opencode {
            let mut all = words(entry.get("command"))?.into_iter();
            return Some(Launch { program: all.next()?, args: all.collect() });
        }
        let program = text(if self == Self::Goose { "cmd" } else { "command" })?;
        let args = match entry.get("args") {
            None => Vec::new(),
            args => words(args)?,
        };
        Some(Launch { program, args })
    }

    /// The variables of an entry.
    pub(super) fn env(self, entry: &Value) -> BTreeMap<String, String> {
        let key = match self {
            Self::Plain | Self::Typed | Self::Copilot | Self::Zed => "env",
            Self::Goose => "envs",
            Self::Opencode => "environment",
        };
        let all = entry.get(key).and_then(Value::as_object).into_iter().flatten();
        all.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    }
}

impl Launch {
    /// This program as a server, with the options of this command line. What a client starts has none
    /// of the environment of this process, so that what that says is said in words.
    ///
    /// # Errors
    /// A path that is not UTF-8, as the files of clients are.
    pub(super) fn new(
        global: &Global,
        tools: &[ToolSet],
        surroundings: &Surroundings,
    ) -> Result<Self, Error> {
        let program = std::env::current_exe();
        let program = program.map_err(|source| Error::internal("find this program", source))?;
        let mut args = vec!["mcp".to_owned(), "serve".to_owned()];
        let mut add = |option: &str, value: String| args.extend([option.to_owned(), value]);
        if let Some(selection) = &global.target {
            add("--target", selection.to_string());
        }
        if let Some(asked) = global.profile.as_deref().or(surroundings.profile.as_deref()) {
            let whole = |one: &OsString| match is_path(one) {
                // In the client's directory it would be another file.
                true => absolute(Path::new(one)),
                false => utf8(Path::new(one)),
            };
            let all: Vec<_> = several(asked).iter().map(whole).collect::<Result<_, _>>()?;
            add("--profile", all.join(","));
        }
        if let Some(config) = global.config.as_deref().or(surroundings.config.as_deref()) {
            add("--config", absolute(config)?);
        }
        if !tools.is_empty() {
            let tools: Vec<_> = tools.iter().map(|set| set.as_str()).collect();
            add("--tools", tools.join(","));
        }
        Ok(Self { program: utf8(&program)?, args })
    }

    /// Whether it is this program as a server, wherever that lies and whatever its options.
    pub(super) fn is_ours(&self) -> bool {
        let name = self.program.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = name.strip_suffix(".exe").unwrap_or(name);
        name == "shannot"
            && matches!(&self.args[..], [one, two, ..] if one == "mcp" && two == "serve")
    }

    /// As a person would type it.
    pub(super) fn shown(&self) -> String {
        shown(&self.program, &self.args)
    }
}

/// Words as a person would type them.
pub(super) fn shown<'a>(program: &'a str, args: impl IntoIterator<Item = &'a String>) -> String {
    let words = std::iter::once(program).chain(args.into_iter().map(String::as_str));
    let quote =
        |word: &'a str| shlex::try_quote(word).map_or(word.to_owned(), |word| word.to_string());
    words.map(quote).collect::<Vec<_>>().join(" ")
}

fn absolute(path: &Path) -> Result<String, Error> {
    let whole = std::path::absolute(path);
    utf8(&whole.map_err(|source| Error::Read { path: path.to_owned(), source })?)
}

fn utf8(path: &Path) -> Result<String, Error> {
    let text = path.to_str().ok_or_else(|| Error::Asked {
        what: format!("the path `{}` is not UTF-8", path.display()),
        hint: "the files of clients are; give it another name".to_owned(),
    })?;
    Ok(text.to_owned())
}
