//! One configuration file: what its keys may be, and what it states.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use shannot::FarPath;
use shannot::destination::{HostName, Port, UserName};
use shannot::policy::text::{Source, TextError};
use shannot::policy::types::{ProfileName, Timeout};
use toml::Spanned;

use super::name::TargetName;
use super::tool::{CustomTool, ToolName};
use super::tool_stated::{ToolKey, ToolKeys};
use super::url::AgentUrl;
use super::value::{Origin, Value};
use super::{Deploy, Executor, Group, Http, Ssh, Target};

/// What one file of the configuration may hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct File {
    /// The executor of a command that names no target.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    default_executor: Option<Name>,
    /// Where commands can run, by name.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, ExecutorKeys>"))]
    executor: BTreeMap<Name, Spanned<ExecutorKeys>>,
    /// Several targets under one name, which is written `@name`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Vec<String>>"))]
    group: BTreeMap<Name, Spanned<Vec<Name>>>,
    /// Tools for a model, by name.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, ToolKeys>"))]
    tool: BTreeMap<ToolKey, ToolKeys>,
}

/// The kind of an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum Kind {
    Local,
    Ssh,
    Http,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ssh => "ssh",
            Self::Http => "http",
        }
    }
}

/// An executor. Which keys it may have depends on its type, which their descriptions name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ExecutorKeys {
    /// `local`: this machine; `ssh`: a host behind SSH; `http`: an agent.
    #[cfg_attr(test, schemars(with = "Kind"))]
    r#type: Spanned<Kind>,
    /// The profile of a command that names none.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    profile: Option<Spanned<Word<ProfileName>>>,
    /// ssh: the host's name, address, or alias in ssh_config.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    host: Option<Spanned<Word<HostName>>>,
    /// ssh: who to be there. Default: as ssh_config says.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    username: Option<Spanned<Word<UserName>>>,
    /// ssh: where its sshd listens. Default: as ssh_config says.
    #[cfg_attr(test, schemars(with = "Option<u16>", range(min = 1)))]
    port: Option<Spanned<PortNumber>>,
    /// ssh: the private key, an absolute path or one that begins with `~/`. Default: as ssh_config
    /// says, and the keys of an agent.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    key_file: Option<Spanned<Word<LocalPath>>>,
    /// ssh: the file of the keys of known hosts. Default: as ssh_config says.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    known_hosts: Option<Spanned<Word<LocalPath>>>,
    /// ssh: whether a host must be known. If false, one that is not is accepted the first time and
    /// known from then on. Another key than the known one is never accepted. Default: true.
    #[cfg_attr(test, schemars(with = "Option<bool>"))]
    strict_host_key: Option<Spanned<bool>>,
    /// ssh: how long to wait for a connection, such as `10s`. Default: 10s.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    connect_timeout: Option<Spanned<Word<Timeout>>>,
    /// ssh: whether the helper is put on the host. `never`; `ask`: when a person says so; `auto`:
    /// by a call that finds none. Default: ask.
    #[cfg_attr(test, schemars(with = "Option<Deploy>"))]
    deploy: Option<Spanned<Deploy>>,
    /// ssh: the helper, an absolute path on the host or one that begins with `~/`. Default: where
    /// it is put by `deploy`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    helper_path: Option<Spanned<Word<FarPath>>>,
    /// http: the agent, such as `https://host:7443`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    url: Option<Spanned<Word<AgentUrl>>>,
    /// http: the file of the token, an absolute path or one that begins with `~/`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    token_file: Option<Spanned<Word<LocalPath>>>,
}

/// A value that is written as a string. A refusal arises while it is read, so that the reader knows
/// key and place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Word<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Read<T> {
            type Value = Word<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Word<T>, E> {
                text.parse().map(Word).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Read(PhantomData))
    }
}

/// A name and its place.
pub(super) type Name = Spanned<Word<TargetName>>;

/// A port, which is written as a number.
#[derive(Debug, Clone, Copy)]
struct PortNumber(Port);

impl<'de> Deserialize<'de> for PortNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = PortNumber;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port, a whole number from 1 to 65535")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<PortNumber, E> {
                Port::try_from(number).map(PortNumber).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<PortNumber, E> {
                // What is beyond i64 is no port either.
                self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }
        deserializer.deserialize_i64(Read)
    }
}

/// A path on this machine as it is written: absolute, or below the home with `~/`.
#[derive(Debug, Clone)]
struct LocalPath(String);

fn check_path(text: &str) -> Result<String, String> {
    if text.contains(char::is_control) {
        return Err(format!("`{}` contains a control character", text.escape_debug()));
    }
    // Anything else would depend on the directory in which a program happens to be started.
    if Path::new(text).is_absolute() || text.starts_with("~/") {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is neither absolute nor begins with `~/`"))
}

impl FromStr for LocalPath {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        check_path(text).map(Self)
    }
}

/// Why `ssh` would take a path for another one, if so: it expands `%` and `${}`, and an option is
/// cut at quotes and backslashes, in each version differently.
fn ssh_rewrites(path: &Path) -> Option<String> {
    let Some(text) = path.to_str() else { return Some("it is not UTF-8".to_owned()) };
    let found = ["%", "${", "\"", "\\"].into_iter().find(|special| text.contains(special))?;
    Some(format!("`ssh` reads `{found}` in it as something else"))
}

/// What one file states.
#[derive(Debug)]
pub(super) struct Stated {
    pub(super) default: Option<Value<TargetName>>,
    pub(super) targets: BTreeMap<TargetName, Target>,
    pub(super) groups: BTreeMap<TargetName, Group>,
    pub(super) tools: BTreeMap<ToolName, CustomTool>,
}

impl Stated {
    /// Reads the text of the file of that name. `home` is what `~` stands for.
    ///
    /// # Errors
    /// Text that is not TOML, an unknown key, a value that is none of its key's, a key that the
    /// type of its executor does not have or lacks.
    pub(super) fn parse(
        text: &str,
        file: &Arc<Path>,
        home: Option<&Path>,
    ) -> Result<Self, TextError> {
        // A byte order mark is no part of the first line.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let source = Source { origin: file.display().to_string(), text: text.to_owned() };
        let read: File = toml::from_str(text).map_err(|error| {
            let error = source.toml_error(error);
            // What the reader says of `[[executor.a]]`.
            match error.message().contains("exactly 1 element") {
                true => error.or_hint("an executor is one table, written `[executor.NAME]`"),
                false => error,
            }
        })?;
        let reader = Reader { source: &source, file, home };
        let mut stated = Self {
            default: reader.word(read.default_executor),
            targets: BTreeMap::new(),
            groups: BTreeMap::new(),
            tools: BTreeMap::new(),
        };
        for (name, keys) in read.executor {
            let target = reader.target(name, keys)?;
            stated.targets.insert(target.name.value.clone(), target);
        }
        for (name, members) in read.group {
            let group = reader.group(name, members)?;
            stated.groups.insert(group.name.value.clone(), group);
        }
        for (name, keys) in read.tool {
            let tool = keys.read(name, &reader)?;
            stated.tools.insert(tool.name.value.clone(), tool);
        }
        Ok(stated)
    }
}

/// Makes values of keys, with their places.
pub(super) struct Reader<'s> {
    source: &'s Source,
    file: &'s Arc<Path>,
    home: Option<&'s Path>,
}

impl Reader<'_> {
    pub(super) fn value<T>(&self, spanned: Spanned<T>) -> Value<T> {
        let (line, column) = self.source.place(spanned.span().start);
        let origin = Origin::File { path: Arc::clone(self.file), line, column };
        Value { value: spanned.into_inner(), origin }
    }

    pub(super) fn word<T>(&self, spanned: Option<Spanned<Word<T>>>) -> Option<Value<T>> {
        Some(self.value(spanned?).map(|Word(value)| value))
    }

    /// Why a value is refused, with its place.
    pub(super) fn error(&self, at: usize, key: &str, message: String) -> TextError {
        self.source.error(at, Some(key), message)
    }

    /// A path of this machine, with the home in the place of `~`.
    fn path(
        &self,
        key: &str,
        spanned: Option<Spanned<Word<LocalPath>>>,
    ) -> Result<Option<Value<PathBuf>>, TextError> {
        let Some(spanned) = spanned else { return Ok(None) };
        let at = spanned.span().start;
        let Value { value: Word(LocalPath(text)), origin } = self.value(spanned);
        let value = match (text.strip_prefix("~/"), self.home) {
            (None, _) => PathBuf::from(text),
            (Some(below), Some(home)) => home.join(below),
            (Some(_), None) => {
                let message = "there is no home for `~`: $HOME is not set";
                return Err(self.source.error(at, Some(key), message));
            }
        };
        // `ssh` takes a slash on every system.
        let value = match value.to_str() {
            Some(text) => text.replace(MAIN_SEPARATOR, "/").into(),
            None => value,
        };
        Ok(Some(Value { value, origin }))
    }

    /// A path that `ssh` is given.
    fn ssh_path(
        &self,
        key: &str,
        spanned: Option<Spanned<Word<LocalPath>>>,
    ) -> Result<Option<Value<PathBuf>>, TextError> {
        let at = spanned.as_ref().map_or(0, |spanned| spanned.span().start);
        let path = self.path(key, spanned)?;
        match path.as_ref().and_then(|path| Some((path, ssh_rewrites(&path.value)?))) {
            Some((path, why)) => {
                let message = format!("cannot take `{}`: {why}", path.value.display());
                Err(self.source.error(at, Some(key), message).or_hint("give the file another name"))
            }
            None => Ok(path),
        }
    }

    fn group(&self, name: Name, members: Spanned<Vec<Name>>) -> Result<Group, TextError> {
        let key = format!("group.{}", name.get_ref().0.toml_key());
        if members.get_ref().is_empty() {
            let message = "a group without targets";
            return Err(self.source.error(members.span().start, Some(&key), message));
        }
        let mut group =
            Group { name: self.value(name).map(|Word(name)| name), members: Vec::new() };
        for member in members.into_inner() {
            let at = member.span().start;
            let member = self.value(member).map(|Word(name)| name);
            if group.members.iter().any(|known| known.value == member.value) {
                let message = format!("`{}` is there already", member.value);
                return Err(self.source.error(at, Some(&key), message));
            }
            group.members.push(member);
        }
        Ok(group)
    }

    fn target(&self, name: Name, keys: Spanned<ExecutorKeys>) -> Result<Target, TextError> {
        let at = name.span().start;
        let name = self.value(name).map(|Word(name)| name);
        let table = format!("executor.{}", name.value.toml_key());
        let keys = keys.into_inner();
        let Value { value: kind, origin: kind_origin } = self.value(keys.r#type.clone());
        let is_local = match kind {
            Kind::Local => name.value.as_str() == TargetName::LOCAL,
            Kind::Ssh | Kind::Http => name.value.as_str().eq_ignore_ascii_case(TargetName::LOCAL),
        };
        if is_local != (kind == Kind::Local) {
            let message = match kind {
                // Who reads `local` in a log must be able to rely on it.
                Kind::Ssh | Kind::Http => "`local` is this machine, and of the type `local`",
                Kind::Local => "this machine is the executor `local`, and has no other name",
            };
            return Err(self.source.error(at, Some(&table), message));
        }
        self.check_keys(&table, kind, &keys)?;
        let lacks = |key: &str| {
            let message = format!("an executor of the type `{}` needs `{key}`", kind.as_str());
            self.source.error(at, Some(&table), message)
        };
        let executor = match kind {
            Kind::Local => Executor::Local,
            Kind::Ssh => Executor::Ssh(Box::new(Ssh {
                host: self.word(keys.host).ok_or_else(|| lacks("host"))?,
                username: self.word(keys.username),
                port: keys.port.map(|port| self.value(port).map(|PortNumber(port)| port)),
                key_file: self.ssh_path(&format!("{table}.key_file"), keys.key_file)?,
                known_hosts: self.ssh_path(&format!("{table}.known_hosts"), keys.known_hosts)?,
                strict_host_key: Value::or_default(
                    keys.strict_host_key.map(|strict| self.value(strict)),
                    true,
                ),
                connect_timeout: Value::or_default(
                    self.word(keys.connect_timeout),
                    Ssh::CONNECT_TIMEOUT,
                ),
                deploy: Value::or_default(keys.deploy.map(|d| self.value(d)), Deploy::Ask),
                helper_path: self.word(keys.helper_path),
            })),
            Kind::Http => Executor::Http(Http {
                url: self.word(keys.url).ok_or_else(|| lacks("url"))?,
                token_file: self.path(&format!("{table}.token_file"), keys.token_file)?,
            }),
        };
        Ok(Target { name, kind_origin, profile: self.word(keys.profile), executor })
    }

    /// Refuses a key that another type of executor has.
    fn check_keys(&self, table: &str, kind: Kind, keys: &ExecutorKeys) -> Result<(), TextError> {
        fn at<T>(value: &Option<Spanned<T>>) -> Option<usize> {
            value.as_ref().map(|value| value.span().start)
        }
        let found = [
            (Kind::Ssh, "host", at(&keys.host)),
            (Kind::Ssh, "username", at(&keys.username)),
            (Kind::Ssh, "port", at(&keys.port)),
            (Kind::Ssh, "key_file", at(&keys.key_file)),
            (Kind::Ssh, "known_hosts", at(&keys.known_hosts)),
            (Kind::Ssh, "strict_host_key", at(&keys.strict_host_key)),
            (Kind::Ssh, "connect_timeout", at(&keys.connect_timeout)),
            (Kind::Ssh, "deploy", at(&keys.deploy)),
            (Kind::Ssh, "helper_path", at(&keys.helper_path)),
            (Kind::Http, "url", at(&keys.url)),
            (Kind::Http, "token_file", at(&keys.token_file)),
        ];
        let wrong = found.into_iter().filter(|(of, ..)| *of != kind);
        let Some((of, key, at)) = wrong.filter_map(|(of, key, at)| Some((of, key, at?))).next()
        else {
            return Ok(());
        };
        let message = format!(
            "is a key of the type `{}`, and this executor is of the type `{}`",
            of.as_str(),
            kind.as_str()
        );
        Err(self.source.error(at, Some(&format!("{table}.{key}")), message))
    }
}

#[cfg(test)]
#[path = "stated_tests.rs"]
mod tests;
