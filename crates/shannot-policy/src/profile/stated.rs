//! What the text of a profile states, before inheritance and defaults: every key is optional
//! but `version` and `name`, every value is of its type, and its place is remembered.

use std::collections::btree_map::{self, BTreeMap, Entry};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::command::{CommandPattern, Operands, OptionName, Syntax};
use super::glob::{Glob, PathPattern};
use super::parse::command_path;
use super::{LayerName, Network, Prefer, Processes, Tier};
use crate::request::Program;
use crate::text::{Source, TextError};
use crate::types::{AbsPath, ByteSize, EnvName, ProfileName, Timeout};

/// The longest text of a profile, in bytes.
pub const LARGEST_PROFILE: usize = 1 << 20;
/// The most commands that one text may state.
pub const MOST_COMMANDS: usize = 2000;

/// A profile's text, read and checked key by key, but neither held against its parents nor
/// against its own examples.
///
/// It becomes a [`super::Profile`] by [`Stated::resolve`], or narrows one by [`super::tighten()`].
#[derive(Debug, Clone)]
pub struct Stated {
    pub(super) source: Source,
    pub(super) file: File,
}

impl Stated {
    /// Reads the text of a profile.
    ///
    /// # Errors
    /// More than [`LARGEST_PROFILE`] bytes, text that is not TOML, another version than 1, an
    /// unknown or missing key, a value that is not of its key's type or out of its range.
    pub fn parse(text: &str, origin: &str) -> Result<Self, TextError> {
        let source = Source { origin: origin.to_owned(), text: text.to_owned() };
        if text.len() > LARGEST_PROFILE {
            let message = format!("{} bytes are more than a profile's 1MiB", text.len());
            return Err(source.at(1, 1, None, message));
        }
        let file = toml::from_str::<File>(text);
        // A text of another version may have keys that this one does not know: tell that first.
        let version = match &file {
            Ok(file) => Some(file.version.clone()),
            Err(_) => toml::from_str::<VersionOnly>(text).ok().and_then(|v| v.version),
        };
        if let Some(version) = version.filter(|version| *version.get_ref() != 1) {
            let message = format!("{} is not a version that is known", version.get_ref());
            let error = source.error(version.span().start, Some("version"), message);
            return Err(error.or_hint("this Shannot reads `version = 1`"));
        }
        let file = file.map_err(|error| source.toml_error(error))?;
        let stated = Self { source, file };
        stated.check_commands()?;
        stated.check_env()?;
        Ok(stated)
    }

    /// The name that requests will use.
    pub fn name(&self) -> &ProfileName {
        &self.file.name.get_ref().0
    }

    /// The profiles that this one is made from, in order. A loader that resolves them must
    /// refuse cycles.
    pub fn extends(&self) -> impl Iterator<Item = &ProfileName> {
        self.file.extends.iter().flatten().map(|name| &name.get_ref().0)
    }

    /// An error at a place in this text.
    pub(super) fn error<T>(
        &self,
        at: &Spanned<T>,
        key: &str,
        message: impl Into<String>,
    ) -> TextError {
        self.source.error(at.span().start, Some(key), message)
    }

    fn check_commands(&self) -> Result<(), TextError> {
        let Some(commands) = &self.file.commands else { return Ok(()) };
        if commands.by_key.len() > MOST_COMMANDS {
            let message = format!("more than {MOST_COMMANDS} commands");
            return Err(self.source.at(1, 1, Some("commands"), message));
        }
        match &commands.twice {
            None => Ok(()),
            Some(key) => {
                let path = command_path(&key.get_ref().0.0);
                Err(self.error(key, &path, "the command is stated again, in another spelling"))
            }
        }
    }

    fn check_env(&self) -> Result<(), TextError> {
        for (name, value) in self.file.env.iter().flatten() {
            let key = format!("env.{}", name.get_ref());
            let checked: EnvName =
                name.get_ref().parse().map_err(|e| self.error(name, "env", format!("{e}")))?;
            super::env::check(&checked, value.get_ref())
                .map_err(|why| self.error(value, &key, why))?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct VersionOnly {
    version: Option<Spanned<i64>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    version: Spanned<i64>,
    pub(super) name: Spanned<Text<ProfileName>>,
    pub(super) description: Option<Text<Line>>,
    pub(super) extends: Option<Vec<Spanned<Text<ProfileName>>>>,
    pub(super) without: Option<Vec<Spanned<String>>>,
    pub(super) prefer: Option<Spanned<Prefer>>,
    pub(super) tiers: Option<Spanned<Vec<Tier>>>,
    pub(super) require: Option<Vec<Spanned<Text<LayerName>>>>,
    pub(super) landlock_abi: Option<Spanned<Count<1, { super::LANDLOCK_ABI }>>>,
    pub(super) root_reads: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) view: ViewKeys,
    #[serde(default)]
    pub(super) paths: PathKeys,
    pub(super) env: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
    #[serde(default)]
    pub(super) limits: LimitKeys,
    pub(super) commands: Option<Commands>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ViewKeys {
    pub(super) processes: Option<Spanned<Processes>>,
    pub(super) network: Option<Spanned<Network>>,
    #[serde(rename = "services")]
    _services: Option<Reserved>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PathKeys {
    pub(super) read: Option<Vec<Spanned<Text<PlainPath>>>>,
    pub(super) hide: Option<Vec<Text<PathPattern>>>,
    pub(super) show: Option<Vec<Spanned<Text<PathPattern>>>>,
    pub(super) scratch: Option<Vec<Spanned<Text<PlainPath>>>>,
    pub(super) hide_other_homes: Option<Spanned<bool>>,
    pub(super) network_filesystems: Option<Spanned<bool>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitKeys {
    pub(super) wall: Option<Spanned<Text<Timeout>>>,
    pub(super) cpu: Option<Spanned<Text<Timeout>>>,
    pub(super) processes: Option<Spanned<Count<1, 4096>>>,
    pub(super) open_files: Option<Spanned<Count<8, { super::MOST_OPEN_FILES }>>>,
    pub(super) memory: Option<Spanned<Size<{ 16 << 20 }, { 1 << 40 }>>>,
    pub(super) scratch: Option<Spanned<Size<{ 4 << 10 }, { 1 << 36 }>>>,
    pub(super) output: Option<Spanned<Size<{ 1 << 10 }, { 1 << 30 }>>>,
}

/// `[commands]`.
#[derive(Debug, Clone)]
pub(super) struct Commands {
    by_key: BTreeMap<Spanned<Text<Key>>, CommandKeys>,
    /// The first key that another one repeats: to TOML `/x` and `/x/` are two.
    twice: Option<Spanned<Text<Key>>>,
}

impl<'de> Deserialize<'de> for Commands {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Commands;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of commands")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Commands, A::Error> {
                let mut commands = Commands { by_key: BTreeMap::new(), twice: None };
                while let Some((key, keys)) = map.next_entry()? {
                    match commands.by_key.entry(key) {
                        Entry::Vacant(entry) => {
                            entry.insert(keys);
                        }
                        Entry::Occupied(entry) => {
                            commands.twice.get_or_insert_with(|| entry.key().clone());
                        }
                    }
                }
                Ok(commands)
            }
        }
        deserializer.deserialize_map(Read)
    }
}

impl<'a> IntoIterator for &'a Commands {
    type Item = (&'a Spanned<Text<Key>>, &'a CommandKeys);
    type IntoIter = btree_map::Iter<'a, Spanned<Text<Key>>, CommandKeys>;
    fn into_iter(self) -> Self::IntoIter {
        self.by_key.iter()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandKeys {
    pub(super) about: Option<Text<Line>>,
    pub(super) program: Option<Spanned<Text<PlainPath>>>,
    pub(super) syntax: Option<Spanned<Syntax>>,
    pub(super) valued: Option<Vec<Spanned<Text<OptionName>>>>,
    pub(super) flags: Option<Vec<Spanned<Text<OptionName>>>>,
    pub(super) spawns: Option<Vec<Spanned<Text<Program>>>>,
    pub(super) forks: Option<Spanned<bool>>,
    pub(super) kernel_log: Option<Spanned<bool>>,
    pub(super) rules: Option<Vec<Spanned<RuleKeys>>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleKeys {
    pub(super) allow_operands: Option<Spanned<Vec<Text<Operands>>>>,
    pub(super) allow_options: Option<Spanned<Vec<Spanned<Text<OptionName>>>>>,
    pub(super) deny_operands: Option<Spanned<Vec<Text<Operands>>>>,
    pub(super) deny_options: Option<Spanned<Vec<Spanned<Text<OptionName>>>>>,
    pub(super) deny_words: Option<Spanned<Vec<Text<Glob>>>>,
    pub(super) why: Text<Line>,
    #[serde(default)]
    pub(super) examples: ExampleKeys,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExampleKeys {
    #[serde(default)]
    pub(super) allow: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) deny: Vec<Spanned<String>>,
}

/// A value that is written as a string. A refusal arises while the string is read, so that the
/// reader knows key and place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<T>(pub(super) T);

/// What a string should have been, for those who wrote a number or a table.
pub(super) trait Written: FromStr<Err: fmt::Display> {
    const AS: &'static str;
}

impl<'de, T: Written> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<T: Written> Visitor<'_> for Read<T> {
            type Value = Text<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::AS)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<T>, E> {
                text.parse().map(Text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Read(PhantomData))
    }
}

impl Written for Timeout {
    const AS: &'static str = "a string such as \"30s\", \"500ms\" or \"5m\"";
}
impl Written for ByteSize {
    const AS: &'static str = "a string such as \"64MiB\" or \"1GiB\"";
}
impl Written for ProfileName {
    const AS: &'static str = "a profile's name";
}
impl Written for PathPattern {
    const AS: &'static str = "a path pattern such as \"/etc/shadow\" or \"~/.ssh\"";
}
impl Written for Glob {
    const AS: &'static str = "a glob";
}
impl Written for Operands {
    const AS: &'static str = "a sequence of word globs such as \"status **\"";
}
impl Written for OptionName {
    const AS: &'static str = "an option such as \"-x\" or \"--name\"";
}
impl Written for LayerName {
    const AS: &'static str = "a layer's name such as \"landlock\"";
}
impl Written for Program {
    const AS: &'static str = "a program's name or absolute path";
}

/// A key of `[commands]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(pub(super) CommandPattern);

impl Written for Key {
    const AS: &'static str = "a program's name, absolute path, or glob";
}
impl FromStr for Key {
    type Err = super::CommandPatternError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.order().cmp(&other.0.order())
    }
}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// One line of text with something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line(pub(super) String);

impl Written for Line {
    const AS: &'static str = "one line of text";
}
impl FromStr for Line {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            _ if text.trim().is_empty() => Err("the text is empty"),
            _ if text.contains(char::is_control) => {
                Err("the text must be one line without control characters")
            }
            _ if text.len() > 1000 => Err("the text is longer than 1000 bytes"),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// A path that is meant as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlainPath(pub(super) AbsPath);

impl Written for PlainPath {
    const AS: &'static str = "an absolute path";
}
impl FromStr for PlainPath {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A pattern would be taken for a name and quietly match nothing.
        if text.contains(['*', '?', '[', '{']) {
            return Err(format!("`{text}` is a pattern; only a path is possible here"));
        }
        AbsPath::new(text).map(Self).map_err(|error| error.to_string())
    }
}

/// A number of things within a range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count<const LOW: u32, const HIGH: u32>(pub(super) u32);

impl<'de, const LOW: u32, const HIGH: u32> Deserialize<'de> for Count<LOW, HIGH> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let count = u32::try_from(number).ok().filter(|count| (LOW..=HIGH).contains(count));
        count.map(Self).ok_or_else(|| {
            de::Error::custom(format!("{number} is not a number from {LOW} to {HIGH}"))
        })
    }
}

/// A number of bytes within a range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size<const LOW: u64, const HIGH: u64>(pub(super) ByteSize);

impl<'de, const LOW: u64, const HIGH: u64> Deserialize<'de> for Size<LOW, HIGH> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(size) = Text::<ByteSize>::deserialize(deserializer)?;
        if (LOW..=HIGH).contains(&size.0) {
            return Ok(Self(size));
        }
        let (low, high) = (ByteSize(LOW), ByteSize(HIGH));
        Err(de::Error::custom(format!("{size} is not a size from {low} to {high}")))
    }
}

/// A key that has no meaning yet.
#[derive(Debug, Clone)]
struct Reserved;

impl<'de> Deserialize<'de> for Reserved {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("reserved for a later version"))
    }
}
