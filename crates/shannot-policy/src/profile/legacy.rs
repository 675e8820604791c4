//! Profiles of Shannot 0.3, which were JSON for `bwrap`.
//!
//! Each field is honoured, or the profile is refused with the field's name, the reason and the
//! way out. Nothing is dropped without a note. The result is TOML, read like any other profile.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use super::command::{CommandPattern, is_on_box_path};
use super::legacy_args::{Switch, read_args};
use super::{Examples, LARGEST_PROFILE, Profile};
use crate::text::{Source, TextError};
use crate::toml_text::{key, string};
use crate::types::{AbsPath, EnvName, ProfileName};

/// A profile of Shannot 0.3 in today's terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// The profile.
    pub profile: Profile,
    /// The same as TOML, to be kept in place of the JSON.
    pub toml: String,
    /// What became of fields that are not carried over word for word.
    pub notes: Vec<FieldNote>,
}

/// What became of a field of an old profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldNote {
    /// The field, for example `binds[3].read_only`.
    pub field: String,
    /// What it means now.
    pub note: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Old {
    name: String,
    allowed_commands: Option<Vec<String>>,
    binds: Option<Vec<Bind>>,
    tmpfs_paths: Option<Vec<String>>,
    environment: Option<BTreeMap<String, String>>,
    seccomp_profile: Option<String>,
    network_isolation: Option<bool>,
    user_namespace_isolation: Option<bool>,
    additional_args: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bind {
    source: String,
    target: String,
    read_only: Option<bool>,
    #[serde(rename = "create_target")]
    _create_target: Option<bool>,
}

impl Profile {
    /// Reads a JSON profile of Shannot 0.3.
    ///
    /// # Errors
    /// Text that is not JSON, an unknown field, and a field that no box of ours can honour: a
    /// writable or moved bind, a seccomp file, most of `additional_args`, and an empty
    /// `allowed_commands`, which once allowed every command.
    pub fn parse_legacy(text: &str, origin: &str) -> Result<Converted, TextError> {
        let source = Source { origin: origin.to_owned(), text: text.to_owned() };
        if text.len() > LARGEST_PROFILE {
            let message = format!("{} bytes are more than a profile's 1MiB", text.len());
            return Err(source.at(1, 1, None, message));
        }
        let old: Old = serde_json::from_str(text).map_err(|error| json_error(&source, &error))?;
        let mut conversion = Conversion { source, new: New::default(), notes: Vec::new() };
        conversion.read(&old)?;
        let Conversion { source, new, notes } = conversion;
        let toml = new.to_toml(&old.name);
        let none = |name: &ProfileName| Err(format!("`{name}` is not needed"));
        // What the text cannot carry is found by reading it; its places are not those of the JSON.
        let profile = Profile::parse(&toml, origin, Examples::Trust, &none)
            .map_err(|error| source.at(1, 1, error.key(), error.message()))?;
        Ok(Converted { profile, toml, notes })
    }
}

fn json_error(source: &Source, error: &serde_json::Error) -> TextError {
    let line = error.line().max(1);
    // serde_json counts the bytes that it has read of the line; the last is one of the character meant.
    let read = source.text.split('\n').nth(line - 1).unwrap_or_default().bytes();
    let is_first = |byte: &u8| byte & 0xC0 != 0x80;
    let column = read.take(error.column()).filter(is_first).count().max(1);
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = text.strip_suffix(&place).unwrap_or(&text);
    source.with_spelling(source.at(line, column, None, message))
}

/// What the TOML will say.
#[derive(Debug, Default)]
struct New {
    commands: Vec<CommandPattern>,
    env: BTreeMap<String, String>,
    read: Vec<AbsPath>,
    scratch: Vec<AbsPath>,
    host_processes: bool,
    network_tables: bool,
}

struct Conversion {
    source: Source,
    new: New,
    notes: Vec<FieldNote>,
}

impl Conversion {
    fn read(&mut self, old: &Old) -> Result<(), TextError> {
        if let Err(error) = old.name.parse::<ProfileName>() {
            return Err(self.refuse("name", "name", error.to_string(), "rename the profile"));
        }
        self.read_commands(old.allowed_commands.as_deref().unwrap_or_default())?;
        for (at, bind) in old.binds.iter().flatten().enumerate() {
            self.read_bind(&format!("binds[{at}]"), "binds", bind)?;
        }
        if !self.new.read.is_empty() {
            self.note(
                "binds",
                "what is bound can be read; password hashes, private keys and other credentials in it \
                 are hidden unless `paths.show` says otherwise",
            );
        }
        for (at, path) in old.tmpfs_paths.iter().flatten().enumerate() {
            self.read_tmpfs(&format!("tmpfs_paths[{at}]"), "tmpfs_paths", path)?;
        }
        for (name, value) in old.environment.iter().flatten() {
            self.read_variable("environment", name, value)?;
        }
        if old.seccomp_profile.is_some() {
            return Err(self.refuse(
                "seccomp_profile",
                "seccomp_profile",
                "the box has a filter of its own, which allows only the system calls that \
                 diagnostic commands need; another cannot take its place"
                    .to_owned(),
                "remove the field",
            ));
        }
        if old.network_isolation == Some(false) {
            self.share_network("network_isolation");
        }
        if old.user_namespace_isolation.is_some() {
            self.note(
                "user_namespace_isolation",
                "whether the box has a user namespace depends on the host: see `tiers` and `prefer`",
            );
        }
        self.read_args(old.additional_args.as_deref().unwrap_or_default())
    }

    fn read_commands(&mut self, patterns: &[String]) -> Result<(), TextError> {
        const FIELD: &str = "allowed_commands";
        if patterns.is_empty() {
            return Err(self.refuse(
                FIELD,
                FIELD,
                "empty or missing, this allowed every command; now it would allow none".to_owned(),
                "list the commands, or write `[\"*\"]` for every one",
            ));
        }
        for (at, text) in patterns.iter().enumerate() {
            let is_glob = text.contains(['*', '?', '[']);
            // To fnmatch a backslash was a character like any other.
            let escaped = if is_glob { text.replace('\\', "\\\\") } else { text.clone() };
            let pattern: CommandPattern = escaped.parse().map_err(|error| {
                let field = format!("{FIELD}[{at}]");
                self.refuse(&field, FIELD, format!("{error}"), "write a name, path or glob")
            })?;
            if !self.new.commands.contains(&pattern) {
                self.new.commands.push(pattern);
            }
        }
        self.fold_paths();
        self.note(
            FIELD,
            "a command may no longer start other programs; where it must, name them in its `spawns`",
        );
        Ok(())
    }

    /// A bare name already means its path, which profiles of 0.3 had to list besides.
    fn fold_paths(&mut self) {
        let bare: Vec<String> = self
            .new
            .commands
            .iter()
            .filter_map(|p| if let CommandPattern::Bare(n) = p { Some(n.clone()) } else { None })
            .collect();
        let before = self.new.commands.len();
        self.new.commands.retain(|pattern| match pattern {
            CommandPattern::Absolute(path) => {
                !(is_on_box_path(path)
                    && bare.iter().any(|name| name.as_bytes() == path.file_name()))
            }
            CommandPattern::Bare(_) | CommandPattern::Glob(_) => true,
        });
        if self.new.commands.len() < before {
            self.note(
                "allowed_commands",
                "a bare name also allows the paths it is found at, so those are left out",
            );
        }
    }

    fn read_bind(&mut self, of: &str, key: &str, bind: &Bind) -> Result<(), TextError> {
        let field = |part: &str| format!("{of}.{part}");
        let path = self.path(&field("source"), key, &bind.source)?;
        let target = self.path(&field("target"), key, &bind.target)?;
        if target != path {
            return Err(self.refuse(
                &field("target"),
                key,
                format!("`{path}` would show at `{target}`, but a box shows the host's own tree"),
                "name the same path in both, and use it in commands",
            ));
        }
        let is_proc = path.to_string() == "/proc";
        if bind.read_only == Some(false) && !is_proc {
            return Err(self.refuse(
                &field("read_only"),
                key,
                format!("`{path}` would be writable; a box never writes to the host"),
                "make it read-only; files that a command needs to write go to `tmpfs_paths`",
            ));
        }
        if is_proc {
            self.new.host_processes = true;
            self.note(&field("source"), "became `view.processes = \"host\"`, read-only");
        } else if !self.new.read.contains(&path) {
            self.new.read.push(path);
        }
        Ok(())
    }

    fn read_tmpfs(&mut self, field: &str, key: &str, text: &str) -> Result<(), TextError> {
        let path = self.path(field, key, text)?;
        if let Err(why) = super::parse::check_scratch(&path) {
            return Err(self.refuse(field, key, why, "name a directory such as `/tmp`"));
        }
        let usual = ["/tmp", "/var/tmp", "/dev/shm"];
        let usual = usual.iter().filter_map(|dir| AbsPath::new(*dir).ok());
        if !usual.into_iter().any(|dir| path.is_within(&dir)) {
            let note = format!(
                "`{path}` is neither made nor writable: a box shows the host's own tree; only \
                 directories in /tmp, /var/tmp and /dev/shm became `paths.scratch`"
            );
            self.note(field, &note);
        } else if self.new.scratch.iter().any(|other| path.is_within(other)) {
            self.note(field, "lies in another scratch directory");
        } else {
            self.new.scratch.retain(|other| !other.is_within(&path));
            self.new.scratch.push(path);
        }
        Ok(())
    }

    fn read_variable(&mut self, field: &str, name: &str, value: &str) -> Result<(), TextError> {
        let checked: EnvName = name.parse().map_err(|error| {
            self.refuse(field, field, format!("{error}"), "rename or remove the variable")
        })?;
        super::env::check(&checked, value).map_err(|why| {
            self.refuse(&format!("{field}.{name}"), field, why, "remove the variable")
        })?;
        self.new.env.insert(name.to_owned(), value.to_owned());
        if name == "PATH" {
            self.note(
                &format!("{field}.PATH"),
                "is what programs see; names are looked up along the box's own path",
            );
        }
        Ok(())
    }

    fn share_network(&mut self, field: &str) {
        self.new.network_tables = true;
        self.note(
            field,
            "became `view.network = \"tables\"`: addresses, routes and sockets can be listed, but \
             nothing can be sent",
        );
    }

    fn read_args(&mut self, args: &[String]) -> Result<(), TextError> {
        const FIELD: &str = "additional_args";
        let switches = read_args(args).map_err(|why| {
            self.refuse(FIELD, FIELD, why, "remove the argument from the profile")
        })?;
        for switch in switches {
            match switch {
                Switch::Bind(path) => {
                    let bind = Bind {
                        source: path.clone(),
                        target: path,
                        read_only: Some(true),
                        _create_target: None,
                    };
                    self.read_bind(FIELD, FIELD, &bind)?;
                }
                Switch::Note(argument, note) => self.note(FIELD, &format!("`{argument}` {note}")),
                Switch::SetEnv(name, value) => self.read_variable(FIELD, &name, &value)?,
                Switch::ShareNetwork => self.share_network(FIELD),
                Switch::Tmpfs(path) => self.read_tmpfs(FIELD, FIELD, &path)?,
                Switch::UnsetEnv(name) => {
                    self.new.env.remove(&name);
                }
                Switch::UnshareNetwork => self.new.network_tables = false,
            }
        }
        Ok(())
    }

    fn path(&self, field: &str, key: &str, text: &str) -> Result<AbsPath, TextError> {
        AbsPath::new(text)
            .map_err(|error| self.refuse(field, key, error.to_string(), "write an absolute path"))
    }

    fn note(&mut self, field: &str, note: &str) {
        self.notes.push(FieldNote { field: field.to_owned(), note: note.to_owned() });
    }

    /// A refusal at the first place where the field's name stands as a key.
    fn refuse(&self, field: &str, key: &str, why: String, hint: &str) -> TextError {
        let at = self.source.text.find(&format!("\"{key}\"")).unwrap_or(0);
        self.source.error(at, Some(field), why).or_hint(hint)
    }
}

impl New {
    fn to_toml(&self, name: &str) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write_toml(name, &mut out);
        out
    }

    fn write_toml(&self, name: &str, out: &mut String) -> std::fmt::Result {
        writeln!(out, "version = 1\nname = {}", string(name))?;
        writeln!(out, "description = \"Converted from a profile of Shannot 0.3.\"")?;
        writeln!(out, "\n[view]")?;
        writeln!(out, "processes = \"{}\"", if self.host_processes { "host" } else { "own" })?;
        writeln!(out, "network = \"{}\"", if self.network_tables { "tables" } else { "none" })?;
        writeln!(out, "\n[paths]\nread = {}", list(&self.read))?;
        writeln!(out, "scratch = {}", list(&self.scratch))?;
        if !self.env.is_empty() {
            writeln!(out, "\n[env]")?;
        }
        for (name, value) in &self.env {
            writeln!(out, "{name} = {}", string(value))?;
        }
        for pattern in &self.commands {
            let text = pattern.to_string();
            writeln!(out, "\n[commands.{}]", key(&text))?;
            writeln!(out, "about = {}", string(&format!("Run `{}`.", text.escape_debug())))?;
        }
        Ok(())
    }
}

fn list(paths: &[AbsPath]) -> String {
    let quoted: Vec<String> = paths.iter().map(|path| string(&path.to_string())).collect();
    format!("[{}]", quoted.join(", "))
}
