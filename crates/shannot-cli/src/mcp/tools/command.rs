//! One tool for each command of a profile.

use std::collections::BTreeMap;

use rmcp::model::JsonObject;
use serde::Deserialize;
use serde_json::{Value, json};
use shannot::policy::authorize;
use shannot::policy::profile::{Command, CommandPattern, Matcher};
use shannot::policy::types::ProfileName;
use shannot::policy::{Locale, Program};

use super::Told;
use super::name::Names;
use super::schema::{input, object};
use crate::mcp::arguments::{self, Seconds, Wrong};
use crate::mcp::ask::{Ask, Place};
use crate::mcp::hosts::{Host, Hosts};

/// How many characters are shown of what a rule names.
const MOST_OF_RULES: usize = 300;

/// What a command is given where a call gives nothing: what people type who look around.
const DEFAULTS: [(&str, &[&str]); 24] = [
    ("df", &["-hT"]),
    ("dmesg", &["--time-format", "iso"]),
    ("dpkg", &["-l"]),
    ("du", &["-xhd1", "/var"]),
    ("findmnt", &["--real"]),
    ("free", &["-h"]),
    ("iostat", &["-xz"]),
    ("ip", &["-br", "addr"]),
    ("journalctl", &["-n", "100", "--no-pager"]),
    ("last", &["-n", "20"]),
    ("ls", &["-la", "/"]),
    ("lsblk", &["-f"]),
    ("lsof", &["-nP", "-iTCP", "-sTCP:LISTEN"]),
    ("mpstat", &["-P", "ALL"]),
    ("netstat", &["-tulpn"]),
    ("ps", &["aux"]),
    ("pstree", &["-p"]),
    ("rpm", &["-qa"]),
    ("ss", &["-tulpn"]),
    ("sysctl", &["-a"]),
    ("top", &["-b", "-n", "1"]),
    ("uname", &["-a"]),
    ("vmstat", &["-w"]),
    ("who", &["-a"]),
];

/// A command and where it can run.
#[derive(Debug)]
pub(super) struct Preset {
    /// A bare name or a path.
    program: String,
    about: String,
    /// What the profile says of its arguments.
    rules: String,
    targets: Vec<String>,
    /// Whether a call that names no target is for one of them.
    by_default: bool,
    default: &'static [&'static str],
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    args: Option<Vec<String>>,
    timeout: Option<Seconds>,
    target: Option<String>,
}

/// All of them, in the order of their names.
pub(super) fn all(hosts: &Hosts) -> Vec<Preset> {
    let mut all: BTreeMap<String, Preset> = BTreeMap::new();
    for (target, host) in &hosts.all {
        for profile in &host.profiles {
            for command in &profile.commands {
                // A glob is no name that could be called.
                let program = match &command.pattern {
                    CommandPattern::Bare(name) => name.clone(),
                    CommandPattern::Absolute(path) => path.to_string(),
                    CommandPattern::Glob(_) => continue,
                };
                let preset = all.entry(program.clone()).or_insert_with(|| Preset {
                    about: command.about.clone(),
                    rules: rules(command),
                    targets: Vec::new(),
                    by_default: false,
                    default: default(&program, host),
                    program,
                });
                preset.by_default |= hosts.default.as_ref() == Some(target);
                let target = target.to_string();
                if preset.targets.last() != Some(&target) {
                    preset.targets.push(target);
                }
            }
        }
    }
    all.into_values().collect()
}

/// What the command is given by default, where the profile lets it.
fn default(program: &str, host: &Host) -> &'static [&'static str] {
    let known = DEFAULTS.iter().find(|(name, _)| *name == program).map(|(_, args)| *args);
    let Some(args) = known else { return &[] };
    let words = std::iter::once(program).chain(args.iter().copied()).map(str::to_owned);
    let ask = Ask::one(None, words.collect());
    let program = Program::new(program).ok();
    let Some(profile) = host.profile_for(program.as_ref()) else { return &[] };
    let name: ProfileName = profile.name.clone();
    let request = ask.request(name, &Locale::default());
    match request.map(|request| authorize(profile, request)) {
        Ok(Ok(_)) => args,
        _ => &[],
    }
}

impl Preset {
    /// What a model is told of it.
    pub(super) fn told(&self, hosts: &Hosts, names: &mut Names) -> Told {
        let base = self.program.rsplit('/').next().unwrap_or_default();
        let mut args = json!({"type": "array", "items": {"type": "string"}});
        if !self.default.is_empty() {
            args["default"] = json!(self.default);
        }
        if !self.rules.is_empty() {
            args["description"] = json!(self.rules);
        }
        let mut properties = json!({"args": args, "timeout": {"type": "number"}});
        let mut required: &[&str] = &[];
        if hosts.all.len() > 1 {
            properties["target"] = json!({"type": "string", "enum": self.targets});
            required = if self.by_default { &[] } else { &["target"] };
        }
        Told {
            name: names.made_of(&format!("sandbox_{base}")),
            title: format!("Run {base}"),
            about: self.about.clone(),
            input: input(properties, required),
        }
    }

    /// What a call with these arguments asks for.
    pub(super) fn ask(&self, arguments: JsonObject) -> Result<Ask, Wrong> {
        let Arguments { args, timeout, target } = arguments::read(arguments)?;
        let args = args.unwrap_or_else(|| self.default.iter().map(|&arg| arg.into()).collect());
        let words = std::iter::once(self.program.clone()).chain(args).collect();
        let timeout = timeout.map(Seconds::timeout).transpose()?;
        Ok(Ask { timeout, ..Ask::one(target, words) })
    }

    /// The arguments that ask for this, if it is this command alone.
    pub(super) fn arguments(&self, ask: &Ask) -> Option<JsonObject> {
        let [words] = &ask.stages[..] else { return None };
        let (program, args) = words.split_first()?;
        let target = match &ask.place {
            Place::Default if self.by_default => None,
            Place::One(target) if self.targets.contains(target) => Some(target),
            _ => return None,
        };
        let mut arguments = object(json!({"args": args}));
        if let Some(target) = target {
            arguments.insert("target".to_owned(), Value::String(target.clone()));
        }
        (*program == self.program).then_some(arguments)
    }
}

/// What the rules of a command say, as far as there is room.
fn rules(command: &Command) -> String {
    let mut text = String::new();
    for rule in &command.rules {
        let (what, names): (_, Vec<String>) = match &rule.matcher {
            Matcher::AllowOptions(names) => {
                ("Options", names.iter().map(ToString::to_string).collect())
            }
            Matcher::AllowOperands(operands) => {
                ("Operands", operands.iter().map(|one| format!("`{one}`")).collect())
            }
            Matcher::DenyOptions(names) => ("Not", names.iter().map(ToString::to_string).collect()),
            Matcher::DenyOperands(operands) => {
                ("Not", operands.iter().map(|one| format!("`{one}`")).collect())
            }
            Matcher::DenyWords(words) => ("Not", words.iter().map(ToString::to_string).collect()),
        };
        let rule = format!("{what}: {}. ", names.join(" "));
        if text.len() + rule.len() > MOST_OF_RULES {
            text.push_str("And more rules.");
            break;
        }
        text.push_str(&rule);
    }
    text.trim_end().to_owned()
}
