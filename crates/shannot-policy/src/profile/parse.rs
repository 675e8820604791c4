//! Makes a [`Profile`] of what a text states: inheritance, defaults, and the examples of its
//! rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use toml::Spanned;

use super::command::{Command, CommandPattern, Example, Matcher, OptionName, Rule, Syntax};
use super::stated::{CommandKeys, Key, PlainPath, RuleKeys, Stated, Text};
use super::{
    HIDDEN_BY_DEFAULT, LANDLOCK_ABI, LayerName, Limits, Network, PathPattern, Paths, Prefer,
    Processes, Profile, Tier, View,
};
use crate::spelling::nearest;
use crate::text::TextError;
use crate::toml_text;
use crate::types::{AbsPath, EnvName, ProfileName};

/// Finds a profile that another extends. The text it answers with on failure becomes the error.
pub type Lookup<'a> = dyn Fn(&ProfileName) -> Result<Arc<Profile>, String> + 'a;

/// Whether the examples of rules are run when a profile is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Examples {
    /// Each must turn out as it says.
    Check,
    /// They were checked before, for example when the program was built.
    Trust,
}

impl Profile {
    /// Reads a profile in TOML.
    ///
    /// `origin` names the text in errors. `lookup` finds the profiles that `extends` names; it
    /// is the loader's business to refuse cycles there, since only the loader sees them (a text
    /// that extends itself is refused here).
    ///
    /// See [`Stated::resolve`] for inheritance.
    ///
    /// # Errors
    /// What [`Stated::parse`] and [`Stated::resolve`] refuse.
    pub fn parse(
        text: &str,
        origin: &str,
        examples: Examples,
        lookup: &Lookup<'_>,
    ) -> Result<Self, TextError> {
        Stated::parse(text, origin)?.resolve(examples, lookup)
    }
}

impl Stated {
    /// Adds what the parents and the defaults say where this text says nothing.
    ///
    /// - `commands`: those of the parents, a later parent's replacing an earlier one's of the same
    ///   key; less `without`; then this text's, each replacing an inherited one whole.
    /// - `paths.hide`: the union of the parents', or [`HIDDEN_BY_DEFAULT`] where there are none;
    ///   less `paths.show`; and this text's. What one parent shows and another hides is hidden.
    /// - `env`: by variable, this text's before a later parent's before an earlier one's.
    /// - `limits`, `view`, `paths.read`, `paths.scratch` and every other key: each on its own,
    ///   this text's; else that of the last parent that differs from the default; else the
    ///   default. So a parent that only brings commands changes nothing else.
    /// - `name`, `description`: never inherited.
    ///
    /// # Errors
    /// A parent that `lookup` does not find, a name in `without` or `show` that is not inherited,
    /// a command that goes while a glob that would allow it stays, a directory that cannot be
    /// scratch, a rule without exactly one test or with an option that its syntax cannot have,
    /// and an example that does not turn out as it says.
    pub fn resolve(&self, examples: Examples, lookup: &Lookup<'_>) -> Result<Profile, TextError> {
        let parents = self.parents(lookup)?;
        let of = Inherited { parents: &parents };
        let file = &self.file;
        let view = View {
            processes: of.key(&file.view.processes, Processes::Own, |p| p.view.processes),
            network: of.key(&file.view.network, Network::None, |p| p.view.network),
        };
        let landlock_abi = file.landlock_abi.as_ref().map(|abi| abi.get_ref().0);
        let profile = Profile {
            name: self.name().clone(),
            description: self.description().unwrap_or_default(),
            commands: self.commands(&parents)?,
            paths: self.paths(of)?,
            view,
            env: self.env(&parents),
            limits: self.limits(of),
            prefer: of.key(&file.prefer, Prefer::Isolation, |p| p.prefer),
            tiers: of.value(self.tiers()?, Tier::ALL.into(), |p| p.tiers.clone()),
            require: self.required(&parents),
            landlock_abi: of.value(landlock_abi, LANDLOCK_ABI, |p| p.landlock_abi),
            root_reads: of.key(&file.root_reads, false, |p| p.root_reads),
        };
        if examples == Examples::Check {
            self.check_examples(&profile)?;
        }
        Ok(profile)
    }

    fn parents(&self, lookup: &Lookup<'_>) -> Result<Vec<Arc<Profile>>, TextError> {
        let parent = |name: &Spanned<Text<ProfileName>>| {
            let Text(wanted) = name.get_ref();
            if wanted == self.name() {
                return Err(self.error(name, "extends", format!("`{wanted}` extends itself")));
            }
            lookup(wanted).map_err(|why| self.error(name, "extends", why))
        };
        self.file.extends.iter().flatten().map(parent).collect()
    }

    fn commands(&self, parents: &[Arc<Profile>]) -> Result<Vec<Command>, TextError> {
        let inherited = parents.iter().flat_map(|parent| &parent.commands);
        let mut commands: BTreeMap<(u8, String), Command> =
            inherited.map(|command| (command.pattern.order(), command.clone())).collect();
        let dropped = self.drop_commands(&mut commands)?;
        for (key, keys) in self.file.commands.iter().flatten() {
            let command = self.command(key, keys)?;
            commands.insert(command.pattern.order(), command);
        }
        self.check_dropped(&dropped, commands.values())?;
        Ok(commands.into_values().collect())
    }

    /// Takes the commands that `without` names.
    pub(super) fn drop_commands<'s>(
        &'s self,
        commands: &mut BTreeMap<(u8, String), Command>,
    ) -> Result<Vec<(&'s Spanned<String>, Command)>, TextError> {
        let mut dropped = Vec::new();
        for name in self.file.without.iter().flatten() {
            let pattern = name.get_ref().parse::<CommandPattern>().ok();
            match pattern.and_then(|pattern| commands.remove(&pattern.order())) {
                Some(command) => dropped.push((name, command)),
                None => {
                    let message = format!("`{}` is not inherited", name.get_ref());
                    let error = self.error(name, "without", message);
                    let known = commands.keys().map(|(_, key)| key.as_str());
                    return Err(match nearest(name.get_ref(), known) {
                        Some(near) => error.or_hint(format!("did you mean `{near}`?")),
                        None => error,
                    });
                }
            }
        }
        Ok(dropped)
    }

    /// A command that goes must not be allowed by what stays, least of all without its rules.
    pub(super) fn check_dropped<'c, T>(
        &self,
        dropped: &[(&Spanned<T>, Command)],
        kept: impl Iterator<Item = &'c Command> + Clone,
    ) -> Result<(), TextError> {
        for (place, gone) in dropped {
            let same = |command: &&Command| command.pattern == gone.pattern;
            if kept.clone().any(|command| same(&command)) {
                continue;
            }
            if let Some(other) = kept.clone().find(|command| command.takes_over(gone)) {
                let (gone, other) = (&gone.pattern, &other.pattern);
                let message = format!("without `{gone}`, `{other}` can still allow it");
                let error = self.error(place, "without", message);
                return Err(error.or_hint(format!("drop `{other}` too, or keep `{gone}`")));
            }
        }
        Ok(())
    }

    fn command(&self, key: &Spanned<Text<Key>>, keys: &CommandKeys) -> Result<Command, TextError> {
        let Text(Key(pattern)) = key.get_ref();
        let path = command_path(pattern);
        let Some(Text(about)) = &keys.about else {
            return Err(self.error(key, &path, "`about` is missing"));
        };
        let syntax = keys.syntax.as_ref().map_or(Syntax::Getopt, |syntax| *syntax.get_ref());
        let names = |list: &Option<Vec<Spanned<Text<OptionName>>>>, field: &str| {
            let list = list.as_deref().unwrap_or_default();
            self.option_names(list, syntax, &format!("{path}.{field}"))
        };
        if let (Some(program), CommandPattern::Absolute(_) | CommandPattern::Glob(_)) =
            (&keys.program, pattern)
        {
            let message = "only a bare name can stand for a program";
            return Err(self.error(program, &format!("{path}.program"), message));
        }
        let on = |flag: &Option<Spanned<bool>>| flag.as_ref().is_some_and(|flag| *flag.get_ref());
        Ok(Command {
            pattern: pattern.clone(),
            about: about.0.clone(),
            program: keys.program.as_ref().map(|program| program.get_ref().0.0.clone()),
            syntax,
            valued: names(&keys.valued, "valued")?,
            flags: names(&keys.flags, "flags")?,
            spawns: keys.spawns.iter().flatten().map(|p| p.get_ref().0.clone()).collect(),
            forks: on(&keys.forks),
            kernel_log: on(&keys.kernel_log),
            rules: self.rules(keys, syntax, &path, 0)?,
        })
    }

    fn option_names(
        &self,
        names: &[Spanned<Text<OptionName>>],
        syntax: Syntax,
        path: &str,
    ) -> Result<Vec<OptionName>, TextError> {
        let checked = |name: &Spanned<Text<OptionName>>| {
            let Text(option) = name.get_ref();
            if option.fits(syntax) {
                return Ok(option.clone());
            }
            let (message, hint) = match syntax {
                Syntax::Plain => ("there are no options where `syntax` is \"plain\"", None),
                _ => (
                    "is a single-dash word, which getopt takes for a cluster of letters",
                    Some("write `syntax = \"find\"`, or name the letters one by one"),
                ),
            };
            let error = self.error(name, path, format!("`{option}`: {message}"));
            Err(match hint {
                Some(hint) => error.or_hint(hint),
                None => error,
            })
        };
        names.iter().map(checked).collect()
    }

    /// The rules that this text states for a command.
    pub(super) fn rules(
        &self,
        keys: &CommandKeys,
        syntax: Syntax,
        path: &str,
        layer: u8,
    ) -> Result<Vec<Rule>, TextError> {
        let rules = keys.rules.iter().flatten().enumerate();
        let read = |(at, rule): (usize, &Spanned<RuleKeys>)| {
            let examples = |list: &[Spanned<String>]| {
                list.iter().map(|text| Example::new(text.get_ref())).collect()
            };
            let keys = rule.get_ref();
            Ok(Rule {
                matcher: self.matcher(rule, syntax, &format!("{path}.rules[{at}]"))?,
                why: keys.why.0.0.clone(),
                layer,
                allow: examples(&keys.examples.allow),
                deny: examples(&keys.examples.deny),
            })
        };
        rules.map(read).collect()
    }

    fn matcher(
        &self,
        rule: &Spanned<RuleKeys>,
        syntax: Syntax,
        path: &str,
    ) -> Result<Matcher, TextError> {
        let RuleKeys {
            allow_operands, allow_options, deny_operands, deny_options, deny_words, ..
        } = rule.get_ref();
        let names =
            |names: &Vec<_>, key| self.option_names(names, syntax, &format!("{path}.{key}"));
        let mut found = Vec::new();
        if let Some(list) = allow_operands {
            found.push((Matcher::AllowOperands(plain(list.get_ref())), list.get_ref().len()));
        }
        if let Some(list) = allow_options {
            let list = names(list.get_ref(), "allow_options")?;
            // An empty list is a rule here: no options at all.
            found.push((Matcher::AllowOptions(list), 1));
        }
        if let Some(list) = deny_operands {
            found.push((Matcher::DenyOperands(plain(list.get_ref())), list.get_ref().len()));
        }
        if let Some(list) = deny_options {
            let list = names(list.get_ref(), "deny_options")?;
            let length = list.len();
            found.push((Matcher::DenyOptions(list), length));
        }
        if let Some(list) = deny_words {
            found.push((Matcher::DenyWords(plain(list.get_ref())), list.get_ref().len()));
        }
        match (found.pop(), found.is_empty()) {
            (Some((Matcher::AllowOperands(_), 0)), true) => {
                let error = self.error(rule, path, "an empty `allow_operands` lets nothing pass");
                Err(error.or_hint("write `[\"\"]` where the command may only run without operands"))
            }
            (Some((_, 0)), true) => Err(self.error(rule, path, "the rule's list is empty")),
            (Some((matcher, _)), true) => Ok(matcher),
            _ => Err(self.error(
                rule,
                path,
                "a rule has exactly one of `allow_operands`, `allow_options`, `deny_operands`, \
                 `deny_options` and `deny_words`",
            )),
        }
    }

    fn paths(&self, of: Inherited<'_>) -> Result<Paths, TextError> {
        let keys = &self.file.paths;
        Ok(Paths {
            read: of.value(self.read_paths(), vec![AbsPath::root()], |p| p.paths.read.clone()),
            hide: self.hidden(of)?,
            scratch: of.value(self.scratch()?, Vec::new(), |p| p.paths.scratch.clone()),
            hide_other_homes: of.key(&keys.hide_other_homes, true, |p| p.paths.hide_other_homes),
            network_filesystems: of
                .key(&keys.network_filesystems, false, |p| p.paths.network_filesystems),
        })
    }

    fn read_paths(&self) -> Option<Vec<AbsPath>> {
        self.file.paths.read.as_ref().map(|paths| {
            let mut read: Vec<AbsPath> = Vec::with_capacity(paths.len());
            for path in paths {
                let Text(PlainPath(path)) = path.get_ref();
                if !read.contains(path) {
                    read.push(path.clone());
                }
            }
            read
        })
    }

    fn hidden(&self, of: Inherited<'_>) -> Result<Vec<PathPattern>, TextError> {
        let mut hide: Vec<PathPattern> = Vec::new();
        if of.parents.is_empty() {
            for pattern in HIDDEN_BY_DEFAULT {
                let pattern = pattern.parse();
                hide.push(pattern.map_err(|e| self.source.at(1, 1, None, format!("{e}")))?);
            }
        }
        for parent in of.parents {
            add_new(&mut hide, parent.paths.hide.iter().cloned());
        }
        for shown in self.file.paths.show.iter().flatten() {
            let Text(pattern) = shown.get_ref();
            let Some(at) = hide.iter().position(|hidden| hidden == pattern) else {
                let message = format!("`{pattern}` is not a pattern that is hidden");
                let error = self.error(shown, "paths.show", message);
                let near = nearest(pattern.as_str(), hide.iter().map(PathPattern::as_str));
                return Err(error.or_hint(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`show` takes back a hidden pattern, letter by letter".to_owned(),
                }));
            };
            hide.remove(at);
        }
        add_new(&mut hide, self.hide_patterns());
        Ok(hide)
    }

    /// The patterns of `paths.hide`.
    pub(super) fn hide_patterns(&self) -> impl Iterator<Item = PathPattern> {
        self.file.paths.hide.iter().flatten().map(|Text(pattern)| pattern.clone())
    }

    /// The directories of `paths.scratch`.
    pub(super) fn scratch(&self) -> Result<Option<Vec<AbsPath>>, TextError> {
        let Some(stated) = &self.file.paths.scratch else {
            return Ok(None);
        };
        let mut scratch: Vec<AbsPath> = Vec::new();
        for path in stated {
            let Text(PlainPath(dir)) = path.get_ref();
            let refuse = |why: String| Err(self.error(path, "paths.scratch", why));
            if let Err(why) = check_scratch(dir) {
                return refuse(why);
            }
            if let Some(other) = scratch.iter().find(|s| s.is_within(dir) || dir.is_within(s)) {
                return refuse(format!("`{dir}` and `{other}` overlap: one is empty in the other"));
            }
            scratch.push(dir.clone());
        }
        Ok(Some(scratch))
    }

    fn env(&self, parents: &[Arc<Profile>]) -> BTreeMap<EnvName, String> {
        let inherited = parents.iter().flat_map(|parent| parent.env.clone());
        // `Stated::parse` has checked the names.
        let own = self.file.env.iter().flatten().filter_map(|(name, value)| {
            Some((name.get_ref().parse().ok()?, value.get_ref().clone()))
        });
        inherited.chain(own).collect()
    }

    fn limits(&self, of: Inherited<'_>) -> Limits {
        let keys = &self.file.limits;
        let default = Limits::DEFAULT;
        let wall = keys.wall.as_ref().map(|wall| wall.get_ref().0);
        let cpu = keys.cpu.as_ref().map(|cpu| cpu.get_ref().0);
        let processes = keys.processes.as_ref().map(|n| n.get_ref().0);
        let open_files = keys.open_files.as_ref().map(|n| n.get_ref().0);
        let memory = keys.memory.as_ref().map(|size| size.get_ref().0);
        let scratch = keys.scratch.as_ref().map(|size| size.get_ref().0);
        let output = keys.output.as_ref().map(|size| size.get_ref().0);
        Limits {
            wall: of.value(wall, default.wall, |p| p.limits.wall),
            cpu: of.value(cpu, default.cpu, |p| p.limits.cpu),
            processes: of.value(processes, default.processes, |p| p.limits.processes),
            open_files: of.value(open_files, default.open_files, |p| p.limits.open_files),
            memory: of.value(memory, default.memory, |p| p.limits.memory),
            scratch: of.value(scratch, default.scratch, |p| p.limits.scratch),
            output: of.value(output, default.output, |p| p.limits.output),
        }
    }

    /// What the parents require, and this text besides.
    fn required(&self, parents: &[Arc<Profile>]) -> BTreeSet<LayerName> {
        let inherited = parents.iter().flat_map(|parent| parent.require.iter().copied());
        inherited.chain(self.own_required()).collect()
    }

    /// What this text requires.
    pub(super) fn own_required(&self) -> impl Iterator<Item = LayerName> {
        self.file.require.iter().flatten().map(|name| name.get_ref().0)
    }

    /// The tiers that this text states; never an empty set.
    pub(super) fn tiers(&self) -> Result<Option<BTreeSet<Tier>>, TextError> {
        match &self.file.tiers {
            None => Ok(None),
            Some(tiers) if tiers.get_ref().is_empty() => {
                let message = "without a tier the profile could run nowhere";
                Err(self.error(tiers, "tiers", message))
            }
            Some(tiers) => Ok(Some(tiers.get_ref().iter().copied().collect())),
        }
    }

    pub(super) fn description(&self) -> Option<String> {
        self.file.description.as_ref().map(|Text(line)| line.0.clone())
    }
}

/// The profiles that a text extends, in order.
#[derive(Clone, Copy)]
struct Inherited<'a> {
    parents: &'a [Arc<Profile>],
}

impl Inherited<'_> {
    fn key<T: PartialEq + Copy>(
        self,
        stated: &Option<Spanned<T>>,
        default: T,
        of: impl Fn(&Profile) -> T,
    ) -> T {
        self.value(stated.as_ref().map(|value| *value.get_ref()), default, of)
    }

    fn value<T: PartialEq>(self, stated: Option<T>, default: T, of: impl Fn(&Profile) -> T) -> T {
        let inherited = || self.parents.iter().rev().map(|p| of(p)).find(|value| *value != default);
        stated.or_else(inherited).unwrap_or(default)
    }
}

/// Where a command stands in a profile's text.
pub(super) fn command_path(pattern: &CommandPattern) -> String {
    format!("commands.{}", toml_text::key(&pattern.to_string()))
}

/// Adds the patterns that are not there yet.
pub(super) fn add_new(
    hide: &mut Vec<PathPattern>,
    patterns: impl IntoIterator<Item = PathPattern>,
) {
    for pattern in patterns {
        if !hide.contains(&pattern) {
            hide.push(pattern);
        }
    }
}

fn plain<T: Clone>(list: &[Text<T>]) -> Vec<T> {
    list.iter().map(|Text(item)| item.clone()).collect()
}

/// Whether an empty directory in this place leaves the rest of the box as it should be.
///
/// # Errors
/// The reason against it.
pub(super) fn check_scratch(dir: &AbsPath) -> Result<(), String> {
    let text = dir.to_string();
    let mut parts = text.split('/').skip(1);
    let (top, second) = (parts.next().unwrap_or_default(), parts.next());
    let why = match top {
        "" => "everything else lies in it",
        "dev" if second == Some("shm") => return Ok(()),
        "dev" => "the box makes it",
        "proc" | "sys" => "the kernel makes it",
        "etc" => "programs would miss their configuration, and could be given another",
        "usr" | "bin" | "sbin" => "a program could be put where programs are looked for",
        _ if top.starts_with("lib") => "a library could be put where libraries are looked for",
        _ => return Ok(()),
    };
    Err(format!("`{text}` cannot be scratch: {why}"))
}
