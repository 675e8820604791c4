//! Holds a request against a profile. The only place that makes a [`Grant`].

use std::fmt;
use std::sync::Arc;

use crate::profile::{Command, CommandPattern, Profile, shown};
use crate::request::{Argv, Program, Request};
use crate::spelling::nearest;
use crate::toml_text;
use crate::types::Timeout;

/// A request that a profile lets pass, with the command that allowed each stage.
///
/// Nothing but [`authorize`] makes one:
///
/// ```compile_fail,E0451
/// fn forge(
///     profile: std::sync::Arc<shannot_policy::Profile>,
///     request: shannot_policy::Request,
/// ) -> shannot_policy::Grant {
///     shannot_policy::Grant { profile, request, stages: Vec::new() }
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    profile: Arc<Profile>,
    request: Request,
    stages: Vec<GrantedStage>,
}

impl Grant {
    /// What was asked.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The profile that it was held against.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// How long the run may take: the shorter of the profile's limit and the caller's wish.
    pub fn wall(&self) -> Timeout {
        let most = self.profile.limits.wall;
        self.request.timeout.map_or(most, |wish| wish.min(most))
    }

    /// The stages in the order of the pipe; never none.
    pub fn stages(&self) -> &[GrantedStage] {
        &self.stages
    }
}

/// One stage of a [`Grant`]. It cannot be taken from one request and put into another.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantedStage {
    argv: Argv,
    profile: Arc<Profile>,
    command: usize,
}

impl GrantedStage {
    /// The command line.
    pub fn argv(&self) -> &Argv {
        &self.argv
    }

    /// The command of the profile that allowed it.
    pub fn command(&self) -> &Command {
        &self.profile.commands[self.command]
    }

    /// The key of that command in the profile's `[commands]`.
    pub fn key(&self) -> String {
        self.command().pattern.to_string()
    }

    /// The program to run: the one that the command states, or else the one that was asked for.
    pub fn program(&self) -> Program {
        match &self.command().program {
            Some(path) => Program::Absolute(path.clone()),
            None => self.argv.program.clone(),
        }
    }
}

/// A request that a profile does not let pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The index of the stage that was refused first.
    pub stage: usize,
    /// The program of that stage as the caller wrote it, fit to be shown.
    pub program: Box<str>,
    /// The word that was refused, fit to be shown. None where the program itself was, or where a
    /// word is missing.
    pub word: Option<Box<str>>,
    /// The profile that the request was held against.
    pub profile: Box<str>,
    /// The place in the profile, for example `commands.find.rules[0]`.
    pub rule: Box<str>,
    /// The reason.
    pub why: Box<str>,
    /// What the caller can do about it.
    pub hint: Option<Box<str>>,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, word, profile, rule, why, .. } = self;
        match (word, &**rule) {
            (_, "commands" | "name") => write!(f, "`{program}` may not run: {why}")?,
            (Some(word), _) => write!(f, "`{program}` may not be given `{word}`: {why}")?,
            (None, _) => write!(f, "`{program}` may not run without further operands: {why}")?,
        }
        write!(f, " (profile `{profile}`, {rule})")
    }
}

impl std::error::Error for Denial {}

/// Holds every stage of a request against a profile. All must pass.
///
/// The first command that is for a stage's program decides, in the order of
/// [`Profile::commands`]; what a name's own entry denies, no glob allows.
///
/// # Errors
/// The first stage that is refused, and the rule that refused it. A request that names another
/// profile is refused too.
pub fn authorize(profile: &Arc<Profile>, request: Request) -> Result<Grant, Denial> {
    if request.profile != profile.name {
        let asked = &request.profile;
        return Err(Denial {
            stage: 0,
            program: request.stages.as_slice().first().map(shown_program).unwrap_or_default(),
            word: None,
            profile: profile.name.as_str().into(),
            rule: "name".into(),
            why: format!("the request names the profile `{asked}`").into(),
            hint: None,
        });
    }
    let mut stages = Vec::with_capacity(request.stages.as_slice().len());
    for (stage, argv) in request.stages.as_slice().iter().enumerate() {
        let command = find_command(profile, argv).map_err(|denial| Denial { stage, ..denial })?;
        stages.push(GrantedStage { argv: argv.clone(), profile: Arc::clone(profile), command });
    }
    Ok(Grant { profile: Arc::clone(profile), request, stages })
}

/// The index of the command that allows a stage.
pub(crate) fn find_command(profile: &Profile, argv: &Argv) -> Result<usize, Denial> {
    let denial = |rule: &str, why: &str, word: Option<String>, hint: Option<String>| Denial {
        stage: 0,
        program: shown_program(argv),
        word: word.map(Into::into),
        profile: profile.name.as_str().into(),
        rule: rule.into(),
        why: why.into(),
        hint: hint.map(Into::into),
    };
    let Some(at) = profile.commands.iter().position(|command| command.is_for(&argv.program)) else {
        let hint = hint_for_program(profile, &argv.program);
        return Err(denial("commands", "no command allows it", None, hint));
    };
    let command = &profile.commands[at];
    match command.check(&argv.args) {
        Ok(()) => Ok(at),
        Err(offence) => {
            let key = toml_text::key(&command.pattern.to_string());
            let rule = format!("commands.{key}.rules[{}]", offence.rule);
            let why = &command.rules[offence.rule].why;
            Err(denial(&rule, why, offence.word, offence.hint))
        }
    }
}

fn shown_program(argv: &Argv) -> Box<str> {
    shown(&argv.program.to_string()).into()
}

fn hint_for_program(profile: &Profile, program: &Program) -> Option<String> {
    let text = program.to_string();
    let name = text.rsplit('/').next().unwrap_or_default();
    let bare = || {
        profile.commands.iter().filter_map(|command| match &command.pattern {
            CommandPattern::Bare(name) => Some(name.as_str()),
            CommandPattern::Absolute(_) | CommandPattern::Glob(_) => None,
        })
    };
    if bare().any(|own| own == name) {
        return Some(format!("`{name}` is allowed by that name"));
    }
    let place = profile.commands.iter().find_map(|command| match &command.pattern {
        CommandPattern::Absolute(path) if path.file_name() == name.as_bytes() => Some(path),
        _ => None,
    });
    if let Some(path) = place {
        return Some(format!("`{path}` is allowed"));
    }
    if let Some(near) = nearest(name, bare()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<String> =
        profile.commands.iter().take(12).map(|c| format!("`{}`", c.pattern)).collect();
    match (all.len(), profile.commands.len() - all.len()) {
        (0, _) => Some("this profile allows no command".to_owned()),
        (_, 0) => Some(format!("allowed are {}", all.join(", "))),
        (_, more) => Some(format!("allowed are {} and {more} more", all.join(", "))),
    }
}
