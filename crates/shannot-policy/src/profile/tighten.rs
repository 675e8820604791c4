//! Narrows a profile by one from the working directory's `.shannot/`.
//!
//! Whoever wrote a repository must not widen what an agent may do on the machine of whoever
//! cloned it. So the result starts as the user's own profile, and each key of the local text may
//! only take away from it; what would add is an error, never ignored.

use std::collections::BTreeMap;

use toml::Spanned;

use super::command::{Command, OptionName};
use super::parse::{add_new, command_path};
use super::stated::{CommandKeys, Key, PlainPath, Stated, Text};
use super::{Examples, Limits, Network, PathPattern, Paths, Prefer, Processes, Profile, View};
use crate::text::TextError;
use crate::types::AbsPath;

/// Narrows `base` by what `local` states. A key that `local` does not state stays as it is.
///
/// - `commands`: where the table is there, exactly its keys remain, and each must be one of
///   `base`; with `extends = ["<the profile's own name>"]`, or without the table, those of `base`
///   less `without`. A command keeps `base`'s `program`, `syntax`, `valued` and `flags` (stating
///   them otherwise is an error), may lose `spawns`, `forks` and `kernel_log`, and must pass
///   `base`'s rules and then its own. What its own rules name does not change how `base`'s read a
///   command line.
/// - `paths.read`: within `base`'s. `paths.hide`: added. `paths.show`: an error.
///   `paths.scratch`: some of `base`'s; those that go are hidden, since the host's own directory
///   would show in their place.
/// - `env`: no more than `base`'s, word for word.
/// - `limits`, `view`, `tiers`, `prefer` and the switches: no wider than `base`'s.
///
/// # Errors
/// Another name than `base`'s, a key that would widen it, and what [`Stated::resolve`] refuses.
pub fn tighten(base: &Profile, local: &Stated, examples: Examples) -> Result<Profile, TextError> {
    let narrowing = Narrowing { base, local };
    let file = &local.file;
    if *local.name() != base.name {
        let message = format!("`{}` cannot narrow `{}`", local.name(), base.name);
        return Err(local.error(&file.name, "name", message));
    }
    narrowing.check_env()?;
    let profile = Profile {
        name: base.name.clone(),
        description: local.description().unwrap_or_else(|| base.description.clone()),
        commands: narrowing.commands()?,
        paths: narrowing.paths()?,
        view: View {
            processes: narrowing.switch(
                &file.view.processes,
                "view.processes",
                base.view.processes,
                Processes::Host,
            )?,
            network: narrowing.switch(
                &file.view.network,
                "view.network",
                base.view.network,
                Network::Tables,
            )?,
        },
        env: base.env.clone(),
        limits: narrowing.limits()?,
        prefer: narrowing.switch(&file.prefer, "prefer", base.prefer, Prefer::Fidelity)?,
        tiers: narrowing.tiers()?,
        require: base.require.iter().copied().chain(local.own_required()).collect(),
        landlock_abi: narrowing.landlock_abi()?,
        root_reads: narrowing.switch(&file.root_reads, "root_reads", base.root_reads, true)?,
    };
    if examples == Examples::Check {
        local.check_examples(&profile)?;
    }
    Ok(profile)
}

struct Narrowing<'a> {
    base: &'a Profile,
    local: &'a Stated,
}

impl Narrowing<'_> {
    fn wider<T>(&self, at: &Spanned<T>, key: &str, what: impl std::fmt::Display) -> TextError {
        let name = &self.base.name;
        let error = self.local.error(at, key, format!("{what}, which is wider than `{name}` is"));
        error.or_hint(format!(
            "a profile in `.shannot/` only narrows the user's `{name}`; widen that one instead"
        ))
    }

    /// A key that has a wide value and a narrow one.
    fn switch<T: Copy + PartialEq>(
        &self,
        stated: &Option<Spanned<T>>,
        key: &str,
        base: T,
        wide: T,
    ) -> Result<T, TextError> {
        match stated {
            None => Ok(base),
            Some(value) if *value.get_ref() == wide && base != wide => {
                Err(self.wider(value, key, "this"))
            }
            Some(value) => Ok(*value.get_ref()),
        }
    }

    /// A limit that may only be lowered.
    fn limit<K, T: Copy + PartialOrd + std::fmt::Display>(
        &self,
        stated: &Option<Spanned<K>>,
        key: &str,
        of: impl Fn(&K) -> T,
        base: T,
    ) -> Result<T, TextError> {
        let Some(at) = stated else { return Ok(base) };
        let own = of(at.get_ref());
        if own > base {
            return Err(self.wider(at, &format!("limits.{key}"), format!("{own} is over {base}")));
        }
        Ok(own)
    }

    fn landlock_abi(&self) -> Result<u32, TextError> {
        let base = self.base.landlock_abi;
        let Some(at) = &self.local.file.landlock_abi else { return Ok(base) };
        let own = at.get_ref().0;
        if own < base {
            return Err(self.wider(at, "landlock_abi", format!("{own} is below {base}")));
        }
        Ok(own)
    }

    fn limits(&self) -> Result<Limits, TextError> {
        let (keys, base) = (&self.local.file.limits, self.base.limits);
        Ok(Limits {
            wall: self.limit(&keys.wall, "wall", |time| time.0, base.wall)?,
            cpu: self.limit(&keys.cpu, "cpu", |time| time.0, base.cpu)?,
            processes: self.limit(&keys.processes, "processes", |n| n.0, base.processes)?,
            open_files: self.limit(&keys.open_files, "open_files", |n| n.0, base.open_files)?,
            memory: self.limit(&keys.memory, "memory", |size| size.0, base.memory)?,
            scratch: self.limit(&keys.scratch, "scratch", |size| size.0, base.scratch)?,
            output: self.limit(&keys.output, "output", |size| size.0, base.output)?,
        })
    }

    fn tiers(&self) -> Result<std::collections::BTreeSet<super::Tier>, TextError> {
        let (Some(at), Some(tiers)) = (&self.local.file.tiers, self.local.tiers()?) else {
            return Ok(self.base.tiers.clone());
        };
        match tiers.difference(&self.base.tiers).next() {
            Some(tier) => Err(self.wider(at, "tiers", format!("this accepts {tier}"))),
            None => Ok(tiers),
        }
    }

    fn check_env(&self) -> Result<(), TextError> {
        for (name, value) in self.local.file.env.iter().flatten() {
            let own = self.base.env.iter().find(|(own, _)| own.as_str() == name.get_ref());
            if own.is_none_or(|(_, own)| own != value.get_ref()) {
                let key = format!("env.{}", name.get_ref());
                return Err(self.wider(value, &key, "this sets another value"));
            }
        }
        Ok(())
    }

    fn paths(&self) -> Result<Paths, TextError> {
        let (keys, base) = (&self.local.file.paths, &self.base.paths);
        if let Some(shown) = keys.show.iter().flatten().next() {
            let Text(pattern) = shown.get_ref();
            return Err(self.wider(shown, "paths.show", format!("this shows `{pattern}`")));
        }
        let within = |path: &AbsPath| base.read.iter().any(|tree| path.is_within(tree));
        let read = self.some_of(&keys.read, "paths.read", &base.read, within)?;
        let scratch = self.local.scratch()?.unwrap_or_else(|| base.scratch.clone());
        let is_scratch = |path: &AbsPath| base.scratch.contains(path);
        self.some_of(&keys.scratch, "paths.scratch", &base.scratch, is_scratch)?;
        let mut hide = base.hide.clone();
        add_new(&mut hide, self.local.hide_patterns());
        let gone = base.scratch.iter().filter(|dir| !scratch.contains(dir));
        for dir in gone {
            let pattern = PathPattern::literal(dir).map_err(|why| {
                self.local.source.error(0, Some("paths.scratch"), why.to_string())
            })?;
            add_new(&mut hide, [pattern]);
        }
        Ok(Paths {
            read,
            hide,
            scratch,
            // The wide value of this one is `false`.
            hide_other_homes: self.switch(
                &keys.hide_other_homes,
                "paths.hide_other_homes",
                base.hide_other_homes,
                false,
            )?,
            network_filesystems: self.switch(
                &keys.network_filesystems,
                "paths.network_filesystems",
                base.network_filesystems,
                true,
            )?,
        })
    }

    fn some_of(
        &self,
        stated: &Option<Vec<Spanned<Text<PlainPath>>>>,
        key: &str,
        base: &[AbsPath],
        allowed: impl Fn(&AbsPath) -> bool,
    ) -> Result<Vec<AbsPath>, TextError> {
        let Some(stated) = stated else {
            return Ok(base.to_vec());
        };
        let checked = |at: &Spanned<Text<PlainPath>>| {
            let Text(PlainPath(path)) = at.get_ref();
            if allowed(path) {
                Ok(path.clone())
            } else {
                Err(self.wider(at, key, format!("this adds `{path}`")))
            }
        };
        stated.iter().map(checked).collect()
    }

    fn commands(&self) -> Result<Vec<Command>, TextError> {
        let file = &self.local.file;
        for name in file.extends.iter().flatten() {
            let Text(parent) = name.get_ref();
            if *parent != self.base.name {
                let message =
                    format!("a profile that narrows `{}` extends nothing", self.base.name);
                let error = self.local.error(name, "extends", message);
                return Err(error.or_hint(format!(
                    "`extends = [\"{}\"]` keeps all of its commands",
                    self.base.name
                )));
            }
        }
        let all = || self.base.commands.iter().map(|c| (c.pattern.order(), c.clone()));
        let mut kept: BTreeMap<(u8, String), Command> = all().collect();
        let dropped = self.local.drop_commands(&mut kept)?;
        if let Some(stated) = file.commands.as_ref() {
            let everything = std::mem::take(&mut kept);
            for (key, keys) in stated {
                let command = self.command(key, keys)?;
                kept.insert(command.pattern.order(), command);
            }
            if file.extends.as_ref().is_some_and(|extends| !extends.is_empty()) {
                for (order, command) in everything {
                    kept.entry(order).or_insert(command);
                }
            }
        }
        self.local.check_dropped(&dropped, kept.values())?;
        self.check_left_out(&kept)?;
        Ok(kept.into_values().collect())
    }

    /// A command that is merely not listed must not be allowed by one that is, without its rules.
    fn check_left_out(&self, kept: &BTreeMap<(u8, String), Command>) -> Result<(), TextError> {
        for gone in &self.base.commands {
            if kept.contains_key(&gone.pattern.order()) {
                continue;
            }
            let others = self.local.file.commands.iter().flatten();
            for (key, _) in others {
                let Text(Key(pattern)) = key.get_ref();
                let other = kept.get(&pattern.order());
                if other.is_some_and(|other| other.takes_over(gone)) {
                    let gone = &gone.pattern;
                    let message = format!("`{pattern}` without `{gone}` can still allow it");
                    let error = self.local.error(key, &command_path(pattern), message);
                    return Err(error.or_hint(format!("keep `{gone}` too, or drop both")));
                }
            }
        }
        Ok(())
    }

    fn command(&self, key: &Spanned<Text<Key>>, keys: &CommandKeys) -> Result<Command, TextError> {
        let Text(Key(pattern)) = key.get_ref();
        let path = command_path(pattern);
        let Some(base) = self.base.commands.iter().find(|command| command.pattern == *pattern)
        else {
            return Err(self.wider(key, &path, format!("this adds `{pattern}`")));
        };
        self.check_same(key.span().start, keys, base, &path)?;
        let layer = base.rules.iter().map(|rule| rule.layer).max().unwrap_or(0).saturating_add(1);
        let mut command = base.clone();
        command.rules.extend(self.local.rules(keys, base.syntax, &path, layer)?);
        if let Some(Text(about)) = &keys.about {
            command.about.clone_from(&about.0);
        }
        let field = |name: &str| format!("{path}.{name}");
        command.forks = self.switch(&keys.forks, &field("forks"), base.forks, true)?;
        command.kernel_log =
            self.switch(&keys.kernel_log, &field("kernel_log"), base.kernel_log, true)?;
        if let Some(spawns) = &keys.spawns {
            let added = spawns.iter().find(|program| !base.spawns.contains(&program.get_ref().0));
            if let Some(program) = added {
                let what = format!("this adds `{}`", program.get_ref().0);
                return Err(self.wider(program, &field("spawns"), what));
            }
            command.spawns = spawns.iter().map(|program| program.get_ref().0.clone()).collect();
        }
        Ok(command)
    }

    /// How a command line is read decides what the rules of `base` see.
    fn check_same(
        &self,
        place: usize,
        keys: &CommandKeys,
        base: &Command,
        path: &str,
    ) -> Result<(), TextError> {
        let differs = |at: usize, name: &str| {
            let message = format!("this is not what `{}` has", self.base.name);
            let error = self.local.source.error(at, Some(&format!("{path}.{name}")), message);
            Err(error.or_hint("leave the key out; rules, `spawns` and limits can be narrowed"))
        };
        if let Some(syntax) = keys.syntax.as_ref().filter(|s| *s.get_ref() != base.syntax) {
            return differs(syntax.span().start, "syntax");
        }
        if let Some(program) = &keys.program
            && base.program.as_ref() != Some(&program.get_ref().0.0)
        {
            return differs(program.span().start, "program");
        }
        for (stated, own, name) in
            [(&keys.valued, &base.valued, "valued"), (&keys.flags, &base.flags, "flags")]
        {
            let Some(stated) = stated else { continue };
            let names: Vec<&OptionName> = stated.iter().map(|name| &name.get_ref().0).collect();
            if names.len() != own.len() || !own.iter().all(|name| names.contains(&name)) {
                let at = stated.first().map_or(place, |first| first.span().start);
                return differs(at, name);
            }
        }
        Ok(())
    }
}
