//! A profile in the form of its file, with all that it inherits.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Command, Example, HIDDEN_BY_DEFAULT, Matcher, Network, Prefer, Processes, Profile, Rule, Syntax,
};

/// A profile as its file would have it: the keys in their order there, to be written as TOML or JSON.
/// [`Profile::parse`] reads the same profile from it.
#[derive(Debug, Serialize)]
pub struct Table {
    version: u32,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    prefer: &'static str,
    tiers: Vec<&'static str>,
    require: Vec<&'static str>,
    landlock_abi: u32,
    root_reads: bool,
    view: View,
    paths: Paths,
    limits: Limits,
    env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    commands: BTreeMap<String, Entry>,
}

/// One command of a profile, to follow the rest of its file, [`Table::head`].
#[derive(Debug, Serialize)]
pub struct Single {
    commands: BTreeMap<String, Entry>,
}

#[derive(Debug, Serialize)]
struct View {
    processes: &'static str,
    network: &'static str,
}

#[derive(Debug, Serialize)]
struct Paths {
    read: Vec<String>,
    hide: Vec<String>,
    show: Vec<&'static str>,
    scratch: Vec<String>,
    hide_other_homes: bool,
    network_filesystems: bool,
}

#[derive(Debug, Serialize)]
struct Limits {
    wall: String,
    cpu: String,
    processes: u32,
    open_files: u32,
    memory: String,
    scratch: String,
    output: String,
}

#[derive(Debug, Serialize)]
struct Entry {
    about: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<String>,
    syntax: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    valued: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spawns: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    forks: bool,
    #[serde(skip_serializing_if = "is_false")]
    kernel_log: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<RuleEntry>,
}

#[derive(Debug, Default, Serialize)]
struct RuleEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_operands: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_options: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deny_operands: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deny_options: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deny_words: Option<Vec<String>>,
    why: String,
    #[serde(skip_serializing_if = "Examples::is_empty")]
    examples: Examples,
}

#[derive(Debug, Default, Serialize)]
struct Examples {
    allow: Vec<String>,
    deny: Vec<String>,
}

impl Examples {
    fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

fn strings<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

impl Table {
    /// The profile as one file that extends nothing.
    pub fn new(profile: &Profile) -> Self {
        let (paths, limits) = (&profile.paths, &profile.limits);
        let hide = strings(&paths.hide);
        let shown = HIDDEN_BY_DEFAULT.iter().copied();
        Self {
            version: 1,
            name: profile.name.to_string(),
            description: profile.description.clone(),
            prefer: match profile.prefer {
                Prefer::Isolation => "isolation",
                Prefer::Fidelity => "fidelity",
            },
            tiers: profile.tiers.iter().map(|tier| tier.as_str()).collect(),
            require: profile.require.iter().map(|layer| layer.as_str()).collect(),
            landlock_abi: profile.landlock_abi,
            root_reads: profile.root_reads,
            view: View {
                processes: match profile.view.processes {
                    Processes::Own => "own",
                    Processes::Host => "host",
                },
                network: match profile.view.network {
                    Network::None => "none",
                    Network::Tables => "tables",
                },
            },
            paths: Paths {
                read: strings(&paths.read),
                show: shown.filter(|own| !hide.iter().any(|pattern| pattern == own)).collect(),
                hide,
                scratch: strings(&paths.scratch),
                hide_other_homes: paths.hide_other_homes,
                network_filesystems: paths.network_filesystems,
            },
            limits: Limits {
                wall: limits.wall.to_string(),
                cpu: limits.cpu.to_string(),
                processes: limits.processes,
                open_files: limits.open_files,
                memory: limits.memory.to_string(),
                scratch: limits.scratch.to_string(),
                output: limits.output.to_string(),
            },
            env: profile.env.iter().map(|(n, v)| (n.as_str().to_owned(), v.clone())).collect(),
            commands: profile
                .commands
                .iter()
                .map(|command| (command.pattern.to_string(), Entry::new(command)))
                .collect(),
        }
    }
}

impl Table {
    /// The profile without the examples of its rules, which only its author needs.
    pub fn without_examples(profile: &Profile) -> Self {
        let mut table = Self::new(profile);
        let rules = table.commands.values_mut().flat_map(|command| &mut command.rules);
        rules.for_each(|rule| rule.examples = Examples::default());
        table
    }

    /// The text of the file.
    pub fn to_toml(&self) -> String {
        // Every key and value of a profile can be written as TOML: a test reads them back.
        toml::to_string(self).unwrap_or_default()
    }

    /// All but the commands, without what every profile says by default.
    pub fn head(profile: &Profile) -> Self {
        let mut table = Self::new(profile);
        table.commands.clear();
        table.paths.hide.retain(|pattern| !HIDDEN_BY_DEFAULT.contains(&pattern.as_str()));
        table
    }
}

impl Single {
    /// A command without the examples of its rules.
    pub fn new(command: &Command) -> Self {
        let mut entry = Entry::new(command);
        entry.rules.iter_mut().for_each(|rule| rule.examples = Examples::default());
        Self { commands: [(command.pattern.to_string(), entry)].into() }
    }
}

impl Entry {
    fn new(command: &Command) -> Self {
        Self {
            about: command.about.clone(),
            program: command.program.as_ref().map(ToString::to_string),
            syntax: match command.syntax {
                Syntax::Getopt => "getopt",
                Syntax::Posix => "posix",
                Syntax::Find => "find",
                Syntax::Plain => "plain",
            },
            valued: strings(&command.valued),
            flags: strings(&command.flags),
            spawns: strings(&command.spawns),
            forks: command.forks,
            kernel_log: command.kernel_log,
            rules: command.rules.iter().map(RuleEntry::new).collect(),
        }
    }
}

impl RuleEntry {
    fn new(rule: &Rule) -> Self {
        let texts = |examples: &[Example]| {
            examples.iter().map(|example| example.as_str().to_owned()).collect()
        };
        let examples = Examples { allow: texts(&rule.allow), deny: texts(&rule.deny) };
        let entry = Self { why: rule.why.clone(), examples, ..Self::default() };
        match &rule.matcher {
            Matcher::AllowOperands(list) => Self { allow_operands: Some(strings(list)), ..entry },
            Matcher::AllowOptions(list) => Self { allow_options: Some(strings(list)), ..entry },
            Matcher::DenyOperands(list) => Self { deny_operands: Some(strings(list)), ..entry },
            Matcher::DenyOptions(list) => Self { deny_options: Some(strings(list)), ..entry },
            Matcher::DenyWords(list) => Self { deny_words: Some(strings(list)), ..entry },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Examples as When;

    #[test]
    fn profile_reads_back_as_the_same() {
        let parse = |text: &str| {
            Profile::parse(text, "t.toml", When::Check, &|_| Err(String::new())).unwrap()
        };
        // No description, and one that an older writer left out: what a tier must enforce.
        let rule = "[commands.ls]\nabout = \"List.\"\n[[commands.ls.rules]]\n\
            deny_options = [\"-R\"]\nwhy = \"Long.\"\nexamples.deny = [\"ls -R\"]";
        for rest in ["", "require = [\"memory\", \"landlock\"]\nlandlock_abi = 3", rule] {
            let mut profile = parse(&format!("version = 1\nname = \"t\"\n{rest}"));
            let back = parse(&toml::to_string(&Table::new(&profile)).unwrap());
            assert_eq!(back, profile);
            let brief = parse(&Table::without_examples(&profile).to_toml());
            for command in &mut profile.commands {
                for rule in &mut command.rules {
                    rule.allow.clear();
                    rule.deny.clear();
                }
            }
            assert_eq!(brief, profile);
        }
    }
}
