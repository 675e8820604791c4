//! The hosts that a server offers, each behind a gate of its own.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use shannot::policy::Profile;
use shannot::policy::types::ProfileName;
use shannot::{Admission, Audit, AuditFile, Executor, Gate, Guard, Rates, SshExecutor, SshTarget};

use crate::args::Global;
use crate::error::Error;
use crate::profiles::Profiles;
use crate::remote;
use crate::surroundings::Surroundings;
use crate::targets::{self, Target, TargetName, Targets};

/// As whom a client asks: there is one for each server.
const CALLER: &str = "mcp";

/// A model that goes round in circles is slowed down, and one that looks around is not: a person's question
/// takes some dozens of calls.
const RATES: Rates = Rates {
    per_minute: NonZeroU32::new(120).unwrap(),
    burst: NonZeroU32::new(60).unwrap(),
    at_once: NonZeroU32::new(16).unwrap(),
};

/// What is offered: never empty.
#[derive(Debug)]
pub(super) struct Hosts {
    pub(super) all: BTreeMap<TargetName, Host>,
    /// The one of calls that name none.
    pub(super) default: TargetName,
}

/// One host, and by which profile it is asked.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) gate: Gate,
    pub(super) profile: Arc<Profile>,
}

impl Hosts {
    /// The targets that are asked for, or else every one of the configuration.
    ///
    /// # Errors
    /// There is no such target; its profile cannot be read; it is of a kind that nothing runs on.
    pub(super) fn new(
        targets: &Targets,
        global: &Global,
        surroundings: &Surroundings,
    ) -> Result<Self, Error> {
        let selected: Vec<&Target> = match &global.target {
            Some(selection) => targets.select(selection)?,
            None => {
                let runs = |target: &&Target| match target.executor {
                    targets::Executor::Local => crate::here::MAKES_BOXES,
                    targets::Executor::Ssh(_) => true,
                    targets::Executor::Http(_) => false,
                };
                targets.targets.values().filter(runs).collect()
            }
        };
        let default = selected.iter().find(|target| target.name.value == targets.default.value);
        let default = default.or(selected.first()).map(|target| target.name.value.clone());
        let default = default.ok_or_else(|| targets.no_target(&targets.default.value))?;
        let profiles = Profiles::new(surroundings);
        let admission = Admission::new(RATES);
        let audit: Arc<dyn Audit> = Arc::new(audit(surroundings)?);
        let host = |target: &&Target| {
            let asked = crate::run::asked_profile(global, surroundings, target);
            let profile = profiles.select(asked)?.profile;
            let guard = Guard {
                caller: CALLER.to_owned(),
                target: target.name.value.to_string(),
                admission: Arc::clone(&admission),
                audit: Arc::clone(&audit),
            };
            let gate = Gate::new([Arc::clone(&profile)], executor(target)?).with_guard(guard);
            Ok((target.name.value.clone(), Host { gate, profile }))
        };
        let all = selected.iter().map(host).collect::<Result<_, Error>>()?;
        Ok(Self { all, default })
    }

    /// The names of all, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.all.keys().map(ToString::to_string)
    }

    /// The names of the profiles, in order.
    pub(super) fn profiles(&self) -> Vec<ProfileName> {
        let mut names: Vec<_> = self.all.values().map(|host| host.profile.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The host that a call names, or the default.
    pub(super) fn find(&self, name: Option<&str>) -> Option<(&TargetName, &Host)> {
        match name {
            None => self.all.get_key_value(&self.default),
            Some(name) => self.all.iter().find(|(own, _)| own.to_string() == name),
        }
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

/// An executor for a program that lives for long.
fn executor(target: &Target) -> Result<Arc<dyn Executor>, Error> {
    let name = &target.name.value;
    Ok(match &target.executor {
        targets::Executor::Local => crate::here::lasting_executor()?,
        targets::Executor::Ssh(ssh) => {
            let sockets = Surroundings::sockets();
            let target = SshTarget { sockets, ..remote::ssh_target(name, ssh)? };
            Arc::new(SshExecutor::new(target))
        }
        targets::Executor::Http(_) => {
            return Err(Error::Asked {
                what: format!("this version cannot run commands on `{name}`, which is an agent"),
                hint: "`--target` selects others".to_owned(),
            });
        }
    })
}
