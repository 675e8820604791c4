//! The profiles that are part of the program. They extend each other and nothing else: what
//! they allow is the same on every host.

use std::sync::Arc;

use shannot::policy::profile::{Examples, Network, Prefer, Processes, View};
use shannot::policy::text::TextError;
use shannot::policy::types::ProfileName;
use shannot::policy::{Profile, Program};

/// A profile as its file and taken apart.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    pub(super) name: &'static str,
    /// The file.
    source: &'static str,
    /// What its boxes have in common.
    pub(crate) view: View,
    pub(crate) prefer: Prefer,
    pub(crate) root_reads: bool,
    /// All that it says and inherits but the commands.
    head: &'static str,
    /// The commands, each to follow the head, without the examples of its rules.
    commands: &'static [Part],
}

#[derive(Debug)]
struct Part {
    key: &'static str,
    /// Whether the key alone does not tell which programs are meant.
    always: bool,
    text: &'static str,
}

/// Every built-in profile. The build has read them and run their examples.
pub(super) const ALL: &[BuiltIn] = include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// The built-in profile of a name.
pub(super) fn find(
    name: &ProfileName,
    examples: Examples,
) -> Result<Option<Arc<Profile>>, TextError> {
    let Some(own) = BuiltIn::named(name) else { return Ok(None) };
    let origin = format!("<built in>/{name}.toml");
    let parent = |parent: &ProfileName| match find(parent, examples) {
        Ok(Some(profile)) => Ok(profile),
        Ok(None) => Err(format!("there is no built-in profile `{parent}`")),
        Err(error) => Err(error.to_string()),
    };
    let profile = Profile::parse(own.source, &origin, examples, &parent)?;
    Ok(Some(Arc::new(profile)))
}

impl BuiltIn {
    /// The built-in profile of a name, not read yet.
    pub(super) fn named(name: &ProfileName) -> Option<&'static Self> {
        ALL.iter().find(|own| own.name == name.as_str())
    }

    /// The commands that could be meant by a program.
    fn meant_by<'p>(&self, programs: &'p [Program]) -> impl Iterator<Item = &'static Part> + 'p {
        let is_named = |key: &str| {
            programs.iter().any(|program| match program {
                Program::Bare(name) => name == key,
                Program::Absolute(path) => path.file_name() == key.as_bytes(),
            })
        };
        self.commands.iter().filter(move |part| part.always || is_named(part.key))
    }

    /// Whether a command could be meant; if none is, all of `programs` are denied.
    pub(crate) fn may_mean(&self, programs: &[Program]) -> bool {
        self.meant_by(programs).next().is_some()
    }

    /// The profile with all commands that could be meant by any of `programs`, and perhaps no
    /// others: it answers for these programs as the whole profile does, but cannot tell what else
    /// is allowed. Reading one whole takes longer than making a box.
    pub(crate) fn read_for(&self, programs: &[Program]) -> Result<Arc<Profile>, TextError> {
        let mut text = self.head.to_owned();
        self.meant_by(programs).for_each(|part| text.push_str(part.text));
        let none = |_: &ProfileName| Err("a part extends nothing".to_owned());
        Profile::parse(&text, "<built in>", Examples::Trust, &none).map(Arc::new)
    }
}

/// Every built-in profile, with its examples checked.
#[cfg(test)]
fn every() -> Vec<Arc<Profile>> {
    let read = |own: &BuiltIn| {
        let name = own.name.parse().unwrap();
        let profile = find(&name, Examples::Check).unwrap_or_else(|error| panic!("{error}"));
        profile.unwrap()
    };
    ALL.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use shannot::policy::profile::{Command, Table};

    use super::*;

    #[test]
    fn every_built_in_profile_holds_its_own_examples() {
        for (profile, own) in every().iter().zip(ALL) {
            assert_eq!(profile.name.as_str(), own.name);
        }
    }

    #[test]
    fn shown_profile_reads_back_as_the_same() {
        for profile in every() {
            let text = toml::to_string_pretty(&Table::new(&profile)).unwrap();
            let none = |_: &_| Err("it extends nothing".to_owned());
            let back = Profile::parse(&text, "shown.toml", Examples::Check, &none);
            let mut back = back.unwrap_or_else(|error| panic!("{error}"));
            // The order of what is hidden means nothing.
            let mut want = (*profile).clone();
            for hide in [&mut back.paths.hide, &mut want.paths.hide] {
                hide.sort_by_key(ToString::to_string);
            }
            assert_eq!(back, want);
        }
    }

    fn without_examples(mut command: Command) -> Command {
        for rule in &mut command.rules {
            rule.allow.clear();
            rule.deny.clear();
        }
        command
    }

    /// In both spellings of every program that a profile names.
    #[test]
    fn part_of_a_profile_says_what_the_whole_says() {
        for whole in every() {
            let bare = whole.commands.iter().map(|command| command.pattern.to_string());
            for key in bare.chain(["nosuch".to_owned()]) {
                let name = key.rsplit('/').next().unwrap();
                for spelling in [name.to_owned(), format!("/usr/bin/{name}"), key.clone()] {
                    let Ok(program) = spelling.parse::<Program>() else { continue };
                    let own = BuiltIn::named(&whole.name).unwrap();
                    let part = own.read_for(std::slice::from_ref(&program)).unwrap();
                    let meant = |profile: &Profile| -> Vec<Command> {
                        let all = profile.commands.iter().cloned().map(without_examples);
                        all.filter(|command| command.is_for(&program)).collect()
                    };
                    assert_eq!(meant(&part), meant(&whole), "{spelling}");
                    let denied = !own.may_mean(std::slice::from_ref(&program));
                    assert!(!denied || meant(&whole).is_empty(), "{spelling}");
                    let mut rest = (*part).clone();
                    rest.commands.clone_from(&whole.commands);
                    let mut want = (*whole).clone();
                    for hide in [&mut rest.paths.hide, &mut want.paths.hide] {
                        hide.sort_by_key(ToString::to_string);
                    }
                    assert_eq!(rest, want);
                    let hint = (own.view, own.prefer, own.root_reads);
                    assert_eq!(hint, (whole.view, whole.prefer, whole.root_reads));
                }
            }
        }
    }
}
