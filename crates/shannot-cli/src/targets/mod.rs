//! The configuration: where commands can run.
//!
//! It is read from `/etc/shannot/config.toml` and then the user's file, or from one file alone where
//! `--config` or `$SHANNOT_CONFIG` names it. What the later file says of an executor or a group takes
//! the whole place of what the earlier one says of it: half an entry from somewhere else would be
//! read by nobody.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shannot::FarPath;
use shannot::destination::{Destination, HostName, Port, UserName};
use shannot::policy::text::{Source, TextError};
use shannot::policy::types::{ProfileName, Timeout};

use crate::error::Error;
use crate::file::{self, Role};
use crate::surroundings::Surroundings;
use crate::system;

mod edit;
mod name;
mod rows;
mod stated;
mod tool;
mod tool_stated;
mod url;
mod value;

pub(crate) use edit::{Entry, add, keep_comments, remove};
pub(crate) use name::{NoTargetName, Selected, Selection, TargetName};
pub(crate) use rows::Row;
pub(crate) use tool::{CustomTool, ToolName};
pub(crate) use url::AgentUrl;
pub(crate) use value::{Origin, Value};

use stated::Stated;

/// The file in the directory of the host's configuration, and in that of the user's.
const FILE: &str = "config.toml";

/// An executor by its name.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: Value<TargetName>,
    /// Where its type is stated.
    pub(crate) kind_origin: Origin,
    /// The profile of a command that names none.
    pub(crate) profile: Option<Value<ProfileName>>,
    pub(crate) executor: Executor,
}

/// Where the commands of a target run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Executor {
    Local,
    Ssh(Box<Ssh>),
    Http(Http),
}

impl Executor {
    /// Its type, as the configuration has it.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ssh(_) => "ssh",
            Self::Http(_) => "http",
        }
    }
}

/// A host behind SSH. What is `None` is left to ssh_config(5).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ssh {
    pub(crate) host: Value<HostName>,
    pub(crate) username: Option<Value<UserName>>,
    pub(crate) port: Option<Value<Port>>,
    pub(crate) key_file: Option<Value<PathBuf>>,
    pub(crate) known_hosts: Option<Value<PathBuf>>,
    pub(crate) strict_host_key: Value<bool>,
    pub(crate) connect_timeout: Value<Timeout>,
    pub(crate) deploy: Value<Deploy>,
    pub(crate) helper_path: Option<Value<FarPath>>,
}

impl Ssh {
    const CONNECT_TIMEOUT: Timeout = Timeout::secs(10);

    pub(crate) fn destination(&self) -> Destination {
        Destination {
            user: self.username.as_ref().map(|user| user.value.clone()),
            host: self.host.value.clone(),
            port: self.port.as_ref().map(|port| port.value),
        }
    }
}

/// An agent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Http {
    pub(crate) url: Value<AgentUrl>,
    pub(crate) token_file: Option<Value<PathBuf>>,
}

/// Whether the helper is put on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Deploy {
    /// Not at all.
    Never,
    /// When a person says so.
    Ask,
    /// By a call that finds none.
    Auto,
}

/// Several targets under one name.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: Value<TargetName>,
    /// Never empty.
    pub(crate) members: Vec<Value<TargetName>>,
}

/// Where commands can run. There is always the target `local`, the default exists, and so does each
/// member of a group.
#[derive(Debug)]
pub(crate) struct Targets {
    pub(crate) default: Value<TargetName>,
    pub(crate) targets: BTreeMap<TargetName, Target>,
    pub(crate) groups: BTreeMap<TargetName, Group>,
    /// What an operator offers to a model besides.
    pub(crate) tools: BTreeMap<ToolName, CustomTool>,
}

/// The files of the configuration, whether they are there or not.
#[derive(Debug)]
pub(crate) struct Files {
    /// In the order in which they are read.
    pub(crate) read: Vec<PathBuf>,
    /// Where what is added goes; `None` if there is no home.
    pub(crate) edited: Option<PathBuf>,
    /// Whether a person has named the file, so that it must be there.
    pub(crate) named: bool,
}

impl Files {
    pub(crate) fn new(surroundings: &Surroundings, asked: Option<&Path>) -> Self {
        if let Some(path) = asked.or(surroundings.config.as_deref()) {
            return Self {
                read: vec![path.to_owned()],
                edited: Some(path.to_owned()),
                named: true,
            };
        }
        let user = surroundings.config_dir.as_ref().map(|dir| dir.join(FILE));
        let host = system::CONFIG.map(|dir| Path::new(dir).join(FILE));
        let read = host.into_iter().chain(user.clone()).collect();
        Self { read, edited: user, named: false }
    }
}

impl Targets {
    /// Reads the files. One that is not there says nothing, unless a person has named it.
    ///
    /// # Errors
    /// A file that cannot be read or that others could have written; what [`Stated::parse`] and
    /// [`Targets::new`] refuse.
    pub(crate) fn read(files: &Files, surroundings: &Surroundings) -> Result<Self, Error> {
        Self::read_with(files, surroundings, None)
    }

    /// The same, with a text in the place of what is in a file.
    fn read_with(
        files: &Files,
        surroundings: &Surroundings,
        instead: Option<(&Path, &str)>,
    ) -> Result<Self, Error> {
        let home = surroundings.home.as_deref();
        let mut all = Vec::new();
        for path in &files.read {
            let text = match instead.filter(|(of, _)| of == path) {
                Some((_, text)) => Some(text.to_owned()),
                None => file::read_trusted(Role::Config, path)?.map(|text| text.text),
            };
            match text {
                Some(text) => all.push(Stated::parse(&text, &Arc::from(path.as_path()), home)?),
                None if files.named => {
                    let source = std::io::ErrorKind::NotFound.into();
                    return Err(Error::Read { path: path.clone(), source });
                }
                None => {}
            }
        }
        Ok(Self::new(all)?)
    }

    /// The targets that are selected, each once, in the order in which they are named.
    ///
    /// # Errors
    /// A name that no target or group has.
    pub(crate) fn select(&self, selection: &Selection) -> Result<Vec<&Target>, Error> {
        let mut names: Vec<&TargetName> = Vec::new();
        for word in selection.words() {
            match word {
                Selected::Target(name) => names.push(name),
                Selected::Group(name) => {
                    let group = self.groups.get(name).ok_or_else(|| self.no_group(name))?;
                    names.extend(group.members.iter().map(|member| &member.value));
                }
            }
        }
        let mut targets: Vec<&Target> = Vec::new();
        for name in names {
            let target = self.targets.get(name).ok_or_else(|| self.no_target(name))?;
            if !targets.iter().any(|known| known.name.value == *name) {
                targets.push(target);
            }
        }
        Ok(targets)
    }

    fn no_group(&self, name: &TargetName) -> Error {
        let known: Vec<_> = self.groups.keys().map(|known| format!("`@{known}`")).collect();
        let hint = match known.is_empty() {
            true => "the configuration names none: `[group]`".to_owned(),
            false => format!("there are {}", known.join(", ")),
        };
        Error::NoTarget { name: format!("@{name}"), hint }
    }

    /// That there is no target of a name.
    pub(crate) fn no_target(&self, name: &TargetName) -> Error {
        Error::NoTarget { name: name.to_string(), hint: self.known() }
    }

    fn known(&self) -> String {
        let known: Vec<_> = self.targets.keys().map(|known| format!("`{known}`")).collect();
        format!("there are {}", known.join(", "))
    }

    /// What files say together, the last one's word before the others'.
    ///
    /// # Errors
    /// A default or a member of a group that is no target.
    fn new(stated: Vec<Stated>) -> Result<Self, TextError> {
        let local = Target {
            name: Value { value: TargetName::local(), origin: Origin::Default },
            kind_origin: Origin::Default,
            profile: None,
            executor: Executor::Local,
        };
        let mut all = Self {
            default: Value { value: TargetName::local(), origin: Origin::Default },
            targets: BTreeMap::from([(TargetName::local(), local)]),
            groups: BTreeMap::new(),
            tools: BTreeMap::new(),
        };
        for stated in stated {
            all.default = stated.default.unwrap_or(all.default);
            all.targets.extend(stated.targets);
            all.groups.extend(stated.groups);
            all.tools.extend(stated.tools);
        }
        all.check_target("default_executor", &all.default)?;
        for group in all.groups.values() {
            let key = format!("group.{}", group.name.value.toml_key());
            group.members.iter().try_for_each(|member| all.check_target(&key, member))?;
        }
        for tool in all.tools.values() {
            let key = format!("tool.{}.target", tool.name.value);
            tool.target.iter().try_for_each(|target| all.check_target(&key, target))?;
        }
        Ok(all)
    }

    fn check_target(&self, key: &str, name: &Value<TargetName>) -> Result<(), TextError> {
        if self.targets.contains_key(&name.value) {
            return Ok(());
        }
        let (origin, line, column) = match &name.origin {
            Origin::File { path, line, column } => (path.display().to_string(), *line, *column),
            Origin::Default => (String::new(), 1, 1),
        };
        let source = Source { origin, text: String::new() };
        let message = format!("there is no executor `{}`", name.value);
        Err(source.at(line, column, Some(key), message).or_hint(self.known()))
    }
}
