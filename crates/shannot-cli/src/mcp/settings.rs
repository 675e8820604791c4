//! What a server was started with, and what stays the same while it serves.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use shannot::policy::Profile;
use shannot::policy::profile::PathPattern;
use shannot::policy::types::{AbsPath, ProfileName};
use shannot::{Admission, Allowance, Audit, AuditFile, Guard, Rates};

use crate::args::{Global, McpServe, ToolSet};
use crate::error::Error;
use crate::file::Stamp;
use crate::profiles::Profiles;
use crate::surroundings::Surroundings;
use crate::targets::{Files, Selection, Target, TargetName};

/// As whom a client asks: there is one for each server.
const CALLER: &str = "mcp";

/// What a caller can cost a host: 15 calls in a second take less than a tenth of one processor, and no model
/// asks as fast. Programs that look at much at once have the burst.
const ALLOWANCE: Allowance = Allowance {
    all: Rates {
        per_minute: NonZeroU32::new(900).unwrap(),
        burst: NonZeroU32::new(1500).unwrap(),
        at_once: NonZeroU32::new(16).unwrap(),
    },
    each_tool: Rates {
        per_minute: NonZeroU32::new(600).unwrap(),
        burst: NonZeroU32::new(1200).unwrap(),
        at_once: NonZeroU32::new(12).unwrap(),
    },
};

/// What a server was started with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) surroundings: Surroundings,
    pub(super) files: Files,
    pub(super) selection: Option<Selection>,
    /// The profiles of every target, if they are asked for.
    profiles: Vec<OsString>,
    sets: BTreeSet<ToolSet>,
    admission: Arc<Admission>,
    audit: Arc<dyn Audit>,
}

impl Settings {
    /// # Errors
    /// There is no place for records.
    pub(super) fn new(args: &McpServe, global: &Global) -> Result<Self, Error> {
        let surroundings = Surroundings::read();
        let files = Files::new(&surroundings, global.config.as_deref());
        let asked = global.profile.as_deref().or(surroundings.profile.as_deref());
        Ok(Self {
            files,
            selection: global.target.clone(),
            profiles: asked.map(several).unwrap_or_default(),
            sets: args.tools.iter().copied().collect(),
            admission: Admission::new(ALLOWANCE),
            audit: Arc::new(audit(&surroundings)?),
            surroundings,
        })
    }

    /// Whether these tools are offered.
    pub(super) fn offers(&self, set: ToolSet) -> bool {
        self.sets.contains(&set) || self.sets.contains(&ToolSet::All)
    }

    /// What profiles a target is asked by, the first by default. None are those of the default.
    ///
    /// One that is stated is all that a model gets. Where nobody has stated any, and a tool for each
    /// profile is asked for, there are all.
    pub(super) fn profiles(&self, target: &Target, known: &[ProfileName]) -> Vec<Option<OsString>> {
        if !self.profiles.is_empty() {
            return self.profiles.iter().cloned().map(Some).collect();
        }
        if let Some(stated) = &target.profile {
            return vec![Some(stated.value.as_str().into())];
        }
        let all = known.iter().filter(|_| self.offers(ToolSet::Profiles));
        let all = all.map(|name| Some(OsString::from(name.as_str())));
        std::iter::once(None).chain(all).collect()
    }

    /// How all files look that what is offered is read from.
    pub(super) fn stamp(&self) -> Stamp {
        let mut stamp = Stamp::default();
        self.files.read.iter().for_each(|path| stamp.add(path));
        let profiles = Profiles::new(&self.surroundings);
        profiles.stamp(self.profiles.iter().map(OsString::as_os_str), &mut stamp);
        stamp
    }

    /// The same profile with the record hidden, wherever it is: a caller who reads it sees what others
    /// have asked, and the secrets in their words.
    ///
    /// # Errors
    /// Its place cannot be hidden.
    pub(super) fn without_record(&self, profile: Arc<Profile>) -> Result<Arc<Profile>, Error> {
        let refused = |why: &dyn std::fmt::Display| Error::Asked {
            what: format!("the record cannot be hidden from those whom it is about: {why}"),
            hint: "set XDG_STATE_HOME to a directory of this user".to_owned(),
        };
        let file = self.surroundings.audit_file.as_deref();
        let Some(dir) = file.and_then(Path::parent) else { return Ok(profile) };
        // Where links lead is what a box hides.
        let dir = dir.canonicalize().map_err(|error| refused(&error))?;
        let dir = AbsPath::new(dir.into_os_string().into_encoded_bytes());
        let dir = dir.map_err(|error| refused(&error))?;
        let pattern = PathPattern::literal(&dir).map_err(|error| refused(&error))?;
        if profile.paths.hide.contains(&pattern) {
            return Ok(profile);
        }
        let mut profile = Arc::unwrap_or_clone(profile);
        profile.paths.hide.push(pattern);
        Ok(Arc::new(profile))
    }

    /// What stands before every run on a target.
    pub(super) fn guard(&self, target: &TargetName) -> Guard {
        Guard {
            caller: CALLER.to_owned(),
            target: target.to_string(),
            admission: Arc::clone(&self.admission),
            audit: Arc::clone(&self.audit),
        }
    }
}

/// Names or paths with commas between.
pub(super) fn several(asked: &OsStr) -> Vec<OsString> {
    match asked.to_str() {
        Some(text) => text.split(',').filter(|one| !one.is_empty()).map(OsString::from).collect(),
        None => vec![asked.to_owned()],
    }
}

/// The record of this user's calls.
fn audit(surroundings: &Surroundings) -> Result<AuditFile, Error> {
    let path = surroundings.audit_file.clone().ok_or_else(|| Error::Asked {
        what: "there is no home to record calls in, and what is not recorded does not run"
            .to_owned(),
        hint: "set HOME or XDG_STATE_HOME".to_owned(),
    })?;
    let failed = |source| Error::Write { path: path.clone(), source };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    AuditFile::open(&path).map_err(failed)
}
