//! What a call asks for, before it is held against a profile.

use shannot::policy::types::{AbsPath, ProfileName, Timeout};
use shannot::policy::{Argv, Cwd, Locale, Program, Request, Stages};

use super::arguments::Wrong;

/// What is asked for by a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    pub(super) place: Place,
    /// The profile, or else the first one that has the command.
    pub(super) profile: Option<String>,
    /// The words of each command.
    pub(super) stages: Vec<Vec<String>>,
    pub(super) cwd: Option<String>,
    pub(super) timeout: Option<Timeout>,
}

/// Where something is to run.
#[derive(Debug, Clone, Default)]
pub(super) enum Place {
    /// On the default target.
    #[default]
    Default,
    /// On this one.
    One(String),
    /// On each of these.
    Several(Vec<String>),
}

impl Place {
    /// From the two arguments of a tool.
    ///
    /// # Errors
    /// Both are given, or none of several.
    pub(super) fn new(target: Option<String>, targets: Option<Vec<String>>) -> Result<Self, Wrong> {
        match (target, targets) {
            (None, None) => Ok(Self::Default),
            (Some(target), None) => Ok(Self::One(target)),
            (None, Some(mut targets)) if !targets.is_empty() => {
                targets.sort();
                targets.dedup();
                Ok(Self::Several(targets))
            }
            (None, Some(_)) => Err(Wrong("`targets` is empty".to_owned())),
            (Some(_), Some(_)) => Err(Wrong("give either `target` or `targets`".to_owned())),
        }
    }

    /// One, or the default.
    pub(super) fn at(target: Option<String>) -> Self {
        target.map_or(Self::Default, Self::One)
    }
}

impl Ask {
    /// One command.
    pub(super) fn one(target: Option<String>, argv: Vec<String>) -> Self {
        Self { place: Place::at(target), stages: vec![argv], ..Self::default() }
    }

    /// The program of the first command, if it is one.
    pub(super) fn program(&self) -> Option<Program> {
        Program::new(self.stages.first()?.first()?.as_str()).ok()
    }

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
