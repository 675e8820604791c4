//! The tools of a server: their names, what models are told of them, and the command that a call means.
//!
//! Names, order and texts are made from the configuration alone, so that what clients keep of them stays
//! right.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde::Deserialize;
use serde_json::{Value, json};
use shannot::policy::types::{AbsPath, ProfileName, Timeout};
use shannot::policy::{Argv, Cwd, Locale, Request, Stages};

use super::answer;
use super::arguments::{self, Seconds, Wrong};
use super::hosts::Hosts;

/// The tools that are served.
#[derive(Debug)]
pub(super) struct Catalog {
    served: Vec<Served>,
}

/// One tool.
#[derive(Debug)]
pub(super) struct Served {
    tool: Tool,
    kind: Kind,
}

/// What a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    RunCommand,
    ReadFile,
    ListDirectory,
    SearchFiles,
    GrepContent,
    CheckDiskUsage,
    CheckMemory,
}

/// What is asked for by a call.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) target: Option<String>,
    stages: Vec<Vec<String>>,
    cwd: Option<String>,
    timeout: Option<Timeout>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunCommand {
    argv: Vec<String>,
    #[serde(default)]
    pipe: Vec<Vec<String>>,
    cwd: Option<String>,
    timeout: Option<Seconds>,
    target: Option<String>,
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

impl Catalog {
    /// The tools for these hosts.
    pub(super) fn new(hosts: &Hosts) -> Self {
        let all = [
            Kind::RunCommand,
            Kind::ReadFile,
            Kind::ListDirectory,
            Kind::SearchFiles,
            Kind::GrepContent,
            Kind::CheckDiskUsage,
            Kind::CheckMemory,
        ];
        Self { served: all.map(|kind| Served { tool: kind.tool(hosts), kind }).into() }
    }

    /// What clients are told of all, always in the same order.
    pub(super) fn tools(&self) -> Vec<Tool> {
        self.served.iter().map(|served| served.tool.clone()).collect()
    }

    /// The tool of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Served> {
        self.served.iter().find(|served| served.tool.name == name)
    }
}

impl Served {
    /// The command that a call with these arguments means.
    ///
    /// # Errors
    /// They are not what the tool takes.
    pub(super) fn ask(&self, arguments: JsonObject) -> Result<Ask, Wrong> {
        self.kind.ask(arguments)
    }
}

/// What a model is told of a tool.
struct Told {
    name: &'static str,
    title: &'static str,
    about: String,
    properties: Value,
    required: &'static [&'static str],
}

impl Told {
    fn new(
        [name, title, about]: [&'static str; 3],
        properties: Value,
        required: &'static [&'static str],
    ) -> Self {
        Self { name, title, about: about.to_owned(), properties, required }
    }
}

impl Kind {
    fn tool(self, hosts: &Hosts) -> Tool {
        let Told { name, title, about, properties, required } = self.told(hosts);
        let mut tool = Tool::new(name, about, input(properties, required, hosts));
        tool.title = Some(title.to_owned());
        tool.output_schema = object(answer::schema()).map(Arc::new);
        let hints = ToolAnnotations::new().read_only(true).destructive(false);
        tool.annotations = Some(hints.idempotent(true).open_world(true));
        tool
    }

    fn told(self, hosts: &Hosts) -> Told {
        let path = || text("Absolute");
        match self {
            Self::RunCommand => run_command(hosts),
            Self::ReadFile => Told::new(
                [
                    "read_file",
                    "Read a file",
                    "Read a text file, a range of its lines, or its last lines.",
                ],
                json!({
                    "path": path(),
                    "first_line": integer("From 1"),
                    "last_line": integer("Itself included"),
                    "tail": integer("So many of the last lines"),
                }),
                &["path"],
            ),
            Self::ListDirectory => Told::new(
                [
                    "list_directory",
                    "List a directory",
                    "List a directory's entries with mode, owner, size and time.",
                ],
                json!({"path": path()}),
                &["path"],
            ),
            Self::SearchFiles => Told::new(
                [
                    "search_files",
                    "Search for files",
                    "Find files below a directory by a pattern of their names.",
                ],
                json!({
                    "path": path(),
                    "name": text("With *, ? and [] as in a shell"),
                    "max_depth": integer("So many levels of directories"),
                }),
                &["path", "name"],
            ),
            Self::GrepContent => Told::new(
                [
                    "grep_content",
                    "Search in files",
                    "Print the lines of a file, or of all below a directory, that match an extended \
                     regular expression.",
                ],
                json!({
                    "path": path(),
                    "pattern": text("As of grep -E"),
                    "recursive": {"type": "boolean", "description": "All files below a directory"},
                }),
                &["path", "pattern"],
            ),
            Self::CheckDiskUsage => Told::new(
                [
                    "check_disk_usage",
                    "Check disk usage",
                    "Show size and free space of file systems.",
                ],
                json!({"path": text("Only the one that has this path")}),
                &[],
            ),
            Self::CheckMemory => Told::new(
                ["check_memory", "Check memory", "Show used and free memory and swap."],
                json!({}),
                &[],
            ),
        }
    }

    fn ask(self, arguments: JsonObject) -> Result<Ask, Wrong> {
        let one = |target, argv: Vec<String>| {
            Ok(Ask { target, stages: vec![argv], cwd: None, timeout: None })
        };
        match self {
            Self::RunCommand => {
                let RunCommand { argv, pipe, cwd, timeout, target } = arguments::read(arguments)?;
                let stages = std::iter::once(argv).chain(pipe).collect();
                let timeout = timeout.map(Seconds::timeout).transpose()?;
                Ok(Ask { target, stages, cwd, timeout })
            }
            Self::ReadFile => {
                let file: ReadFile = arguments::read(arguments)?;
                one(file.target.clone(), read_file(file)?)
            }
            Self::ListDirectory => {
                let ListDirectory { path, target } = arguments::read(arguments)?;
                one(target, argv(&["ls", "-la", "--time-style=long-iso", "--"], [path]))
            }
            Self::SearchFiles => {
                let SearchFiles { path, name, max_depth, target } = arguments::read(arguments)?;
                let depth =
                    max_depth.into_iter().flat_map(|n| ["-maxdepth".to_owned(), n.to_string()]);
                let words = std::iter::once(absolute(path)?).chain(depth);
                one(target, argv(&["find"], words.chain(["-name".to_owned(), name])))
            }
            Self::GrepContent => {
                let GrepContent { path, pattern, recursive, target } = arguments::read(arguments)?;
                let how: &[&str] =
                    if recursive { &["grep", "-rnIE", "-e"] } else { &["grep", "-nE", "-e"] };
                one(target, argv(how, [pattern, "--".to_owned(), path]))
            }
            Self::CheckDiskUsage => {
                let CheckDiskUsage { path, target } = arguments::read(arguments)?;
                one(target, argv(&["df", "-hT", "--"], path))
            }
            Self::CheckMemory => {
                let CheckMemory { target } = arguments::read(arguments)?;
                one(target, argv(&["free", "-h"], []))
            }
        }
    }
}

fn run_command(hosts: &Hosts) -> Told {
    let profiles = hosts.profiles();
    let profiles: Vec<_> = profiles.iter().map(|name| format!("`{name}`")).collect();
    let about = format!(
        "Run a diagnostic command, or several joined by pipes, as the profile {} allows. A command that is \
         not allowed says what is instead.",
        profiles.join(", ")
    );
    let properties = json!({
        "argv": words("The program and its arguments, one word each"),
        "pipe": {
            "type": "array",
            "items": words("A command"),
            "description": "Commands that read, one after another, what the one before writes",
        },
        "cwd": text("Where it starts; / by default"),
        "timeout": {"type": "number", "description": "Seconds"},
    });
    Told { name: "run_command", title: "Run a command", about, properties, required: &["argv"] }
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

impl Ask {
    /// The request to a profile.
    ///
    /// # Errors
    /// It is none that could be made.
    pub(super) fn request(self, profile: ProfileName, locale: &Locale) -> Result<Request, Wrong> {
        let wrong = |error: &dyn std::fmt::Display| Wrong(error.to_string());
        let argv = |words: Vec<String>| Argv::from_words(words).map_err(|error| wrong(&error));
        let stages: Vec<Argv> = self.stages.into_iter().map(argv).collect::<Result<_, _>>()?;
        Ok(Request {
            profile,
            stages: Stages::new(stages).map_err(|error| wrong(&error))?,
            cwd: match self.cwd {
                Some(path) => Cwd::In(AbsPath::new(path).map_err(|error| wrong(&error))?),
                None => Cwd::Root,
            },
            timeout: self.timeout,
            locale: locale.clone(),
        })
    }
}

/// The schema of a tool's arguments; the targets stand there only where there is a choice.
fn input(properties: Value, required: &[&str], hosts: &Hosts) -> JsonObject {
    let mut properties = object(properties).unwrap_or_default();
    if hosts.all.len() > 1 {
        let names: Vec<String> = hosts.names().collect();
        let about = format!("The host; {} by default", hosts.default);
        properties.insert(
            "target".to_owned(),
            json!({"type": "string", "enum": names, "description": about}),
        );
    }
    let schema = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    object(schema).unwrap_or_default()
}

fn object(value: Value) -> Option<JsonObject> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn text(about: &str) -> Value {
    json!({"type": "string", "description": about})
}

fn integer(about: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": about})
}

fn words(about: &str) -> Value {
    json!({"type": "array", "items": {"type": "string"}, "minItems": 1, "description": about})
}
