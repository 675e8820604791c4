//! One tool for each profile of each target.

use std::sync::Arc;

use rmcp::model::JsonObject;
use serde::Deserialize;
use serde_json::json;
use shannot::policy::Profile;

use super::Told;
use super::name::Names;
use super::schema::{command_line, input, object};
use crate::mcp::arguments::{self, Seconds, Wrong};
use crate::mcp::ask::{Ask, Place};
use crate::mcp::hosts::Hosts;

/// How many characters of a list of commands are shown.
const MOST_OF_COMMANDS: usize = 400;

/// The target and profile of such a tool.
#[derive(Debug)]
pub(super) struct Fixed {
    target: String,
    is_local: bool,
    profile: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    argv: Vec<String>,
    #[serde(default)]
    pipe: Vec<Vec<String>>,
    cwd: Option<String>,
    timeout: Option<Seconds>,
}

/// All of them, with their profiles.
pub(super) fn all(hosts: &Hosts) -> impl Iterator<Item = (Fixed, &Arc<Profile>)> {
    hosts.all.iter().flat_map(|(target, host)| {
        let fixed = |profile: &Arc<Profile>| Fixed {
            target: target.to_string(),
            is_local: host.is_local(),
            profile: profile.name.to_string(),
        };
        host.profiles.iter().map(move |profile| (fixed(profile), profile))
    })
}

impl Fixed {
    /// What a model is told of it.
    pub(super) fn told(&self, profile: &Profile, names: &mut Names) -> Told {
        let (name, whence) = match self.is_local {
            true => (format!("sandbox_{}", self.profile), "this machine".to_owned()),
            false => (format!("sandbox_{}_{}", self.target, self.profile), self.target.clone()),
        };
        let about =
            format!("On {whence}: {} {}", profile.description.trim_end(), commands(profile));
        let title = format!("Run on {whence} as {} allows", self.profile);
        let name = names.made_of(&name);
        Told { name, title, about, input: input(command_line(), &["argv"]) }
    }

    /// What a call with these arguments asks for.
    pub(super) fn ask(&self, arguments: JsonObject) -> Result<Ask, Wrong> {
        let Arguments { argv, pipe, cwd, timeout } = arguments::read(arguments)?;
        Ok(Ask {
            place: Place::One(self.target.clone()),
            profile: Some(self.profile.clone()),
            stages: std::iter::once(argv).chain(pipe).collect(),
            cwd,
            timeout: timeout.map(Seconds::timeout).transpose()?,
        })
    }

    /// The arguments that ask for this, if it is for this target.
    pub(super) fn arguments(&self, ask: &Ask) -> Option<JsonObject> {
        let is_here = match &ask.place {
            Place::Default => self.is_local,
            Place::One(target) => *target == self.target,
            Place::Several(_) => false,
        };
        let (argv, pipe) = ask.stages.split_first().filter(|_| is_here)?;
        Some(match pipe.is_empty() {
            true => object(json!({"argv": argv})),
            false => object(json!({"argv": argv, "pipe": pipe})),
        })
    }
}

/// The names of the commands, as many as there is room for.
fn commands(profile: &Profile) -> String {
    let mut text = String::from("Commands:");
    let mut left = profile.commands.len();
    for command in &profile.commands {
        let name = command.pattern.to_string();
        if text.len() + name.len() > MOST_OF_COMMANDS {
            return format!("{text} and {left} more.");
        }
        text.push(' ');
        text.push_str(&name);
        left -= 1;
    }
    text.push('.');
    text
}
