//! Makes a request of words, for every subcommand that takes a command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shannot::policy::profile::Examples;
use shannot::policy::types::{AbsPath, Timeout};
use shannot::policy::{
    Argv, Cwd, Grant, Locale, Profile, Request, RequestError, Stages, authorize,
};

use crate::error::Error;
use crate::system;

/// What a caller asks for, in words.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The words of each stage.
    pub(crate) stages: Vec<Vec<OsString>>,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) timeout: Option<Timeout>,
}

impl Asked {
    /// Only where `pipe` is asked for does a word `|` stand between two stages.
    pub(crate) fn new(words: Vec<OsString>, pipe: bool) -> Self {
        let stages = if pipe {
            words.split(|word| word == "|").map(<[OsString]>::to_vec).collect()
        } else {
            vec![words]
        };
        Self { stages, cwd: None, timeout: None }
    }

    /// The words fit to be shown.
    pub(crate) fn shown(&self) -> Vec<Vec<String>> {
        let shown = |words: &Vec<OsString>| {
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
        };
        self.stages.iter().map(shown).collect()
    }

    /// The command lines.
    pub(crate) fn stages(&self) -> Result<Stages, RequestError> {
        let argv = |words: &Vec<OsString>| {
            Argv::from_words(words.iter().map(|word| word.clone().into_encoded_bytes()))
        };
        Stages::new(self.stages.iter().map(argv).collect::<Result<_, _>>()?)
    }

    /// The request to a profile, from a caller in this directory.
    pub(crate) fn request(
        &self,
        stages: Stages,
        profile: &Profile,
        cwd: Option<&Path>,
        locale: &Locale,
    ) -> Result<Request, Error> {
        Ok(Request {
            profile: profile.name.clone(),
            stages,
            cwd: match (&self.cwd, cwd) {
                (Some(path), _) => Cwd::In(absolute(path)?),
                // Where it has no name that a box could enter, `/` serves.
                (None, Some(own)) => absolute(own).map_or(Cwd::Root, Cwd::InOrRoot),
                (None, None) => Cwd::Root,
            },
            timeout: self.timeout,
            locale: locale.clone(),
        })
    }
}

fn absolute(path: &Path) -> Result<AbsPath, Error> {
    AbsPath::new(system::absolute(path).into_os_string().into_encoded_bytes())
        .map_err(|source| Error::Cwd { path: path.to_owned(), source })
}

/// The profile's box around `true`.
pub(crate) fn grant_for_nothing(profile: &Profile) -> Result<Grant, Error> {
    const TRUE: &str =
        "version = 1\nname = \"doctor\"\n[commands.true]\nabout = \"Does nothing.\"\n";
    let none = |_: &_| Err("it extends nothing".to_owned());
    let commands = Profile::parse(TRUE, "<built in>", Examples::Trust, &none)?.commands;
    let profile = Arc::new(Profile { commands, ..profile.clone() });
    let request = Request {
        profile: profile.name.clone(),
        stages: Stages::new(vec![Argv::from_words(["true"])?])?,
        cwd: Cwd::Root,
        timeout: None,
        locale: Locale::default(),
    };
    authorize(&profile, request).map_err(Error::Denied)
}
