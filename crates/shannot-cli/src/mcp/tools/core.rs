//! The tools that every server has: a command by its words, files, disk and memory.

use rmcp::model::JsonObject;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Told;
use super::schema::{command_line, count, flag, input_at, object, text};
use crate::mcp::arguments::{self, Seconds, Wrong};
use crate::mcp::ask::{Ask, Place};
use crate::mcp::hosts::Hosts;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Core {
    RunCommand,
    ReadFile,
    ListDirectory,
    SearchFiles,
    GrepContent,
    CheckDiskUsage,
    CheckMemory,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunCommand {
    argv: Vec<String>,
    #[serde(default)]
    pipe: Vec<Vec<String>>,
    cwd: Option<String>,
    timeout: Option<Seconds>,
    profile: Option<String>,
    target: Option<String>,
    targets: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadFile {
    path: String,
    first_line: Option<u32>,
    last_line: Option<u32>,
    tail: Option<u32>,
    target: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListDirectory {
    path: String,
    target: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchFiles {
    path: String,
    name: String,
    max_depth: Option<u32>,
    target: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrepContent {
    path: String,
    pattern: String,
    #[serde(default)]
    recursive: bool,
    target: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckDiskUsage {
    path: Option<String>,
    target: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckMemory {
    target: Option<String>,
}

impl Core {
    pub(super) const ALL: [Self; 7] = [
        Self::RunCommand,
        Self::ReadFile,
        Self::ListDirectory,
        Self::SearchFiles,
        Self::GrepContent,
        Self::CheckDiskUsage,
        Self::CheckMemory,
    ];

    /// What a model is told of it.
    pub(super) fn told(self, hosts: &Hosts) -> Told {
        let path = || text("Absolute");
        let (told, properties, required): (_, _, &[&str]) = match self {
            Self::RunCommand => return run_command(hosts),
            Self::ReadFile => (
                ["read_file", "Read a file", "Read a text file, some lines of it, or its end."],
                json!({
                    "path": path(),
                    "first_line": count("From 1"),
                    "last_line": count("Inclusive"),
                    "tail": count("How many last lines"),
                }),
                &["path"],
            ),
            Self::ListDirectory => (
                ["list_directory", "List a directory", "Entries with mode, owner, size, time."],
                json!({"path": path()}),
                &["path"],
            ),
            Self::SearchFiles => (
                ["search_files", "Search for files", "Find files below a directory by name."],
                json!({"path": path(), "name": text("With * ? []"), "max_depth": count("Levels")}),
                &["path", "name"],
            ),
            Self::GrepContent => (
                [
                    "grep_content",
                    "Search in files",
                    "Print lines that match, with file and number.",
                ],
                json!({
                    "path": path(),
                    "pattern": text("Extended regular expression"),
                    "recursive": flag("All files below a directory"),
                }),
                &["path", "pattern"],
            ),
            Self::CheckDiskUsage => (
                ["check_disk_usage", "Check disk usage", "Size and free space of file systems."],
                json!({"path": text("Only the one that has this path")}),
                &[],
            ),
            Self::CheckMemory => {
                (["check_memory", "Check memory", "Used and free memory and swap."], json!({}), &[])
            }
        };
        Told::new(told, input_at(properties, required, hosts))
    }

    /// What a call with these arguments asks for.
    pub(super) fn ask(self, arguments: JsonObject) -> Result<Ask, Wrong> {
        match self {
            Self::RunCommand => {
                let asked: RunCommand = arguments::read(arguments)?;
                Ok(Ask {
                    place: Place::new(asked.target, asked.targets)?,
                    profile: asked.profile,
                    stages: std::iter::once(asked.argv).chain(asked.pipe).collect(),
                    cwd: asked.cwd,
                    timeout: asked.timeout.map(Seconds::timeout).transpose()?,
                })
            }
            Self::ReadFile => {
                let file: ReadFile = arguments::read(arguments)?;
                Ok(Ask::one(file.target.clone(), read_file(file)?))
            }
            Self::ListDirectory => {
                let ListDirectory { path, target } = arguments::read(arguments)?;
                let words = argv(&["ls", "-la", "--time-style=long-iso", "--"], [path]);
                Ok(Ask::one(target, words))
            }
            Self::SearchFiles => {
                let SearchFiles { path, name, max_depth, target } = arguments::read(arguments)?;
                let depth =
                    max_depth.into_iter().flat_map(|n| ["-maxdepth".to_owned(), n.to_string()]);
                let words = std::iter::once(absolute(path)?).chain(depth);
                Ok(Ask::one(target, argv(&["find"], words.chain(["-name".to_owned(), name]))))
            }
            Self::GrepContent => {
                let GrepContent { path, pattern, recursive, target } = arguments::read(arguments)?;
                let how: &[&str] =
                    if recursive { &["grep", "-rnIE", "-e"] } else { &["grep", "-HnE", "-e"] };
                Ok(Ask::one(target, argv(how, [pattern, "--".to_owned(), path])))
            }
            Self::CheckDiskUsage => {
                let CheckDiskUsage { path, target } = arguments::read(arguments)?;
                Ok(Ask::one(target, argv(&["df", "-hT", "--"], path)))
            }
            Self::CheckMemory => {
                let CheckMemory { target } = arguments::read(arguments)?;
                Ok(Ask::one(target, argv(&["free", "-h"], [])))
            }
        }
    }
}

fn run_command(hosts: &Hosts) -> Told {
    let profiles: Vec<_> = hosts.profiles().into_keys().collect();
    let quoted: Vec<_> = profiles.iter().map(|name| format!("`{name}`")).collect();
    let about = format!(
        "Run a diagnostic command, or several joined by pipes, that the profile {} allows. A refusal \
         says what else is.",
        quoted.join(", ")
    );
    let mut properties = command_line();
    if profiles.len() > 1 {
        properties["profile"] = json!({"type": "string", "enum": profiles});
    }
    if hosts.all.len() > 1 {
        let about = "Several hosts at once, instead of target";
        let names: Vec<String> = hosts.names().collect();
        properties["targets"] = json!({"type": "array", "items": {"type": "string", "enum": names}, "description": about});
    }
    let input = input_at(properties, &["argv"], hosts);
    Told { about, ..Told::new(["run_command", "Run a command", ""], input) }
}

/// The arguments of `run_command` that ask for this.
pub(super) fn arguments(ask: &Ask) -> Option<JsonObject> {
    let (argv, pipe) = ask.stages.split_first()?;
    let mut arguments = object(json!({"argv": argv}));
    let mut add = |key: &str, value: Value| _ = arguments.insert(key.to_owned(), value);
    if !pipe.is_empty() {
        add("pipe", json!(pipe));
    }
    match &ask.place {
        Place::Default => {}
        Place::One(target) => add("target", json!(target)),
        Place::Several(targets) => add("targets", json!(targets)),
    }
    Some(arguments)
}

fn read_file(file: ReadFile) -> Result<Vec<String>, Wrong> {
    let ReadFile { path, first_line, last_line, tail, .. } = file;
    match (first_line, last_line, tail) {
        (None, None, None) => Ok(argv(&["cat", "--"], [path])),
        (None, None, Some(lines)) => {
            Ok(argv(&["tail", "-n"], [lines.to_string(), "--".into(), path]))
        }
        (_, _, Some(_)) => Err(Wrong("give either `tail` or a range of lines".to_owned())),
        (first, last, None) => {
            let first = first.unwrap_or(1).max(1);
            let last = last.map_or("$".to_owned(), |last| last.to_string());
            Ok(argv(&["sed", "-n"], [format!("{first},{last}p"), "--".into(), path]))
        }
    }
}

fn argv(first: &[&str], rest: impl IntoIterator<Item = String>) -> Vec<String> {
    first.iter().map(|word| (*word).to_owned()).chain(rest).collect()
}

/// A path that find(1) does not take for an option.
fn absolute(path: String) -> Result<String, Wrong> {
    match path.starts_with('/') {
        true => Ok(path),
        false => Err(Wrong(format!("`{}` is not absolute", path.escape_debug()))),
    }
}
