//! Runs the examples of rules, so that a profile whose rules do not do what they say never loads.

use super::Profile;
use super::command::{Command, Example};
use super::parse::command_path;
use super::stated::{Key, Stated, Text};
use crate::authorize::find_command;
use crate::text::TextError;

impl Stated {
    /// Runs the examples of the rules that this text states.
    pub(super) fn check_examples(&self, profile: &Profile) -> Result<(), TextError> {
        for (key, keys) in self.file.commands.iter().flatten() {
            let Text(Key(pattern)) = key.get_ref();
            let found = profile.commands.iter().position(|command| command.pattern == *pattern);
            let Some(command) = found else { continue };
            let stated = keys.rules.as_deref().unwrap_or_default();
            // A profile that tightens adds its rules behind those that it found.
            let first = profile.commands[command].rules.len().saturating_sub(stated.len());
            for (at, rule) in stated.iter().enumerate() {
                let path = format!("{}.rules[{at}].examples", command_path(pattern));
                for example in &rule.get_ref().examples.allow {
                    check_allowed(profile, command, example.get_ref())
                        .map_err(|why| self.error(example, &format!("{path}.allow"), why))?;
                }
                for example in &rule.get_ref().examples.deny {
                    check_denied(&profile.commands[command], first + at, example.get_ref())
                        .map_err(|why| self.error(example, &format!("{path}.deny"), why))?;
                }
            }
        }
        Ok(())
    }
}

fn check_allowed(profile: &Profile, command: usize, example: &str) -> Result<(), String> {
    let argv = Example::new(example).argv().map_err(|e| format!("`{example}`: {e}"))?;
    match find_command(profile, &argv) {
        Ok(found) if found == command => Ok(()),
        Ok(found) => {
            let other = &profile.commands[found].pattern;
            Err(format!("`{example}` is for the command `{other}`"))
        }
        Err(denial) => Err(format!("`{example}` should be allowed, but {denial}")),
    }
}

fn check_denied(command: &Command, rule: usize, example: &str) -> Result<(), String> {
    let argv = Example::new(example).argv().map_err(|e| format!("`{example}`: {e}"))?;
    if !command.is_for(&argv.program) {
        return Err(format!("`{example}` is not for the command `{}`", command.pattern));
    }
    match command.check_rule(rule, &argv.args) {
        Err(_) => Ok(()),
        Ok(()) => Err(format!("`{example}` should be denied by this rule, but it passes")),
    }
}
