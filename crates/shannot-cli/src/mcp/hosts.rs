//! The hosts that a server offers, each behind a gate of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shannot::policy::{Profile, Program};
use shannot::{Executor, Gate, SshExecutor, SshTarget};
use tokio::sync::Mutex;

use super::settings::Settings;
use crate::error::Error;
use crate::profiles::Profiles;
use crate::remote;
use crate::surroundings::Surroundings;
use crate::targets::{self, Selection, Target, TargetName, Targets};

/// What is offered.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    pub(super) all: BTreeMap<TargetName, Host>,
    /// The one of calls that name none. There is none only where all have been taken away.
    pub(super) default: Option<TargetName>,
}

/// One host, and by which profiles it is asked.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) gate: Gate,
    /// The first is that of calls that name none.
    pub(super) profiles: Vec<Arc<Profile>>,
    read: Vec<Read>,
    stated: targets::Executor,
    way: Way,
    /// What it could enforce when it was last asked.
    examined: Mutex<Option<(Instant, Vec<u8>)>>,
}

/// How long it is taken to enforce the same.
const EXAMINED: Duration = Duration::from_secs(10);

/// How its commands get there.
#[derive(Debug, Clone)]
enum Way {
    Here(Arc<dyn Executor>),
    Ssh(Arc<SshExecutor>),
}

/// A profile as it was asked for and read.
#[derive(Debug, Clone)]
struct Read {
    asked: Option<OsString>,
    profile: Arc<Profile>,
}

impl Host {
    /// Whether it is this machine.
    pub(super) fn is_local(&self) -> bool {
        self.stated == targets::Executor::Local
    }

    /// Its type, as the configuration has it.
    pub(super) const fn kind(&self) -> &'static str {
        self.stated.kind()
    }

    /// What it can enforce for its first profile, as JSON.
    ///
    /// # Errors
    /// It cannot be asked.
    pub(super) async fn doctor(&self) -> Result<Vec<u8>, Error> {
        let Some(profile) = self.profiles.first() else { return Ok(b"null".to_vec()) };
        // One at a time: it makes a box in every tier, and nobody pays for it but the host.
        let mut last = self.examined.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < EXAMINED
        {
            return Ok(report.clone());
        }
        let report = self.examine(profile).await?;
        *last = Some((Instant::now(), report.clone()));
        Ok(report)
    }

    async fn examine(&self, profile: &Arc<Profile>) -> Result<Vec<u8>, Error> {
        match &self.way {
            Way::Here(_) => {
                let profile = Arc::clone(profile);
                let report = tokio::task::spawn_blocking(move || crate::here::examine(&profile));
                let report =
                    report.await.map_err(|e| Error::internal("look at this host", e))??;
                serde_json::to_vec(&report).map_err(|e| Error::internal("write JSON", e))
            }
            Way::Ssh(executor) => Ok(executor.doctor(profile).await?.to_vec()),
        }
    }

    /// The first profile that has an entry for a program, or else the first.
    pub(super) fn profile_for(&self, program: Option<&Program>) -> Option<&Arc<Profile>> {
        let has = |profile: &&Arc<Profile>| {
            program.is_some_and(|p| profile.commands.iter().any(|command| command.is_for(p)))
        };
        self.profiles.iter().find(has).or(self.profiles.first())
    }
}

impl Hosts {
    /// The targets that are asked for, or else every one of the configuration.
    ///
    /// Connections of the `old` ones go on. What cannot be read now, and could be then, stays as it
    /// was and is among the problems; what is no longer there is no longer offered.
    ///
    /// # Errors
    /// Without `old`: there is no such target; a profile cannot be read; it is of a kind that nothing
    /// runs on.
    pub(super) fn new(
        targets: Targets,
        settings: &Settings,
        old: Option<&Self>,
        problems: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let selected = select(&targets, settings, old.is_some(), problems)?;
        let default = targets.default.value.clone();
        let first = selected.first().cloned();
        let default = selected.iter().find(|name| **name == default).cloned().or(first);
        if default.is_none() && old.is_none() {
            return Err(targets.no_target(&targets.default.value));
        }
        let mut stated = targets.targets;
        let mut all = BTreeMap::new();
        for name in selected {
            let Some(target) = stated.remove(&name) else { continue };
            let old_host = old.and_then(|old| old.all.get(&name));
            match Host::new(target, settings, old_host, problems) {
                Ok(host) => _ = all.insert(name, host),
                Err(error) if old.is_some() => problems.push(format!("{name}: {}", error.chain())),
                Err(error) => return Err(error),
            }
        }
        let default = default.filter(|name| all.contains_key(name));
        Ok(Self { default: default.or_else(|| all.keys().next().cloned()), all })
    }

    /// The names of all, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.all.keys().map(ToString::to_string)
    }

    /// Every profile, by its name.
    pub(super) fn profiles(&self) -> BTreeMap<String, &Arc<Profile>> {
        let all = self.all.values().flat_map(|host| &host.profiles);
        all.map(|profile| (profile.name.to_string(), profile)).collect()
    }

    /// The host that a call names, or the default.
    pub(super) fn find(&self, name: Option<&str>) -> Option<(&TargetName, &Host)> {
        match name {
            None => self.all.get_key_value(self.default.as_ref()?),
            Some(name) => self.all.iter().find(|(own, _)| own.as_str() == name),
        }
    }
}

/// The targets that are selected, or else every one that commands can run on.
///
/// # Errors
/// There is no such target.
pub(super) fn offered<'t>(
    targets: &'t Targets,
    selection: Option<&Selection>,
) -> Result<Vec<&'t Target>, Error> {
    let runs = |target: &&Target| match target.executor {
        targets::Executor::Local => crate::here::MAKES_BOXES,
        targets::Executor::Ssh(_) => true,
        targets::Executor::Http(_) => false,
    };
    match selection {
        Some(selection) => targets.select(selection),
        None => Ok(targets.targets.values().filter(runs).collect()),
    }
}

/// The names that are selected. One that has gone since the start is told, and left out.
fn select(
    targets: &Targets,
    settings: &Settings,
    is_again: bool,
    problems: &mut Vec<String>,
) -> Result<Vec<TargetName>, Error> {
    let names = |selected: Vec<&Target>| -> Vec<TargetName> {
        selected.iter().map(|target| target.name.value.clone()).collect()
    };
    let selection = match &settings.selection {
        Some(selection) if is_again => selection,
        asked => return offered(targets, asked.as_ref()).map(names),
    };
    let mut all = Vec::new();
    for one in selection.each() {
        match targets.select(&one) {
            Ok(selected) => all.extend(names(selected)),
            Err(error) => problems.push(error.chain()),
        }
    }
    Ok(all)
}

impl Host {
    fn new(
        target: Target,
        settings: &Settings,
        old: Option<&Self>,
        problems: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let reader = Profiles::new(&settings.surroundings);
        let mut read: Vec<Read> = Vec::new();
        for asked in settings.profiles(&target, &reader.names()) {
            let profile = match reader.select(asked.as_deref()) {
                Ok(found) => found.profile,
                Err(error) => {
                    let kept = old.and_then(|old| old.kept(&asked, &error));
                    if old.is_none() && read.is_empty() {
                        return Err(error);
                    }
                    let used = kept.as_ref().map(|_| "; the last one that could be read is in use");
                    problems.push(format!("{}{}", error.chain(), used.unwrap_or_default()));
                    let Some(profile) = kept else { continue };
                    profile
                }
            };
            let profile = match target.executor {
                targets::Executor::Local => settings.without_record(profile)?,
                _ => profile,
            };
            if !read.iter().any(|known| known.profile.name == profile.name) {
                read.push(Read { asked, profile });
            }
        }
        let name = &target.name.value;
        let way = match old.filter(|old| old.stated == target.executor) {
            Some(old) => old.way.clone(),
            None => Way::to(name, &target.executor)?,
        };
        let executor: Arc<dyn Executor> = match &way {
            Way::Here(executor) => Arc::clone(executor),
            Way::Ssh(executor) => Arc::<SshExecutor>::clone(executor),
        };
        let profiles: Vec<_> = read.iter().map(|read| Arc::clone(&read.profile)).collect();
        let gate = Gate::new(profiles.clone(), executor).with_guard(settings.guard(name));
        Ok(Self { gate, profiles, read, stated: target.executor, way, examined: Mutex::default() })
    }

    /// The profile as it was, where its file has an error now. One that was taken away is gone.
    fn kept(&self, asked: &Option<OsString>, error: &Error) -> Option<Arc<Profile>> {
        let is_gone = match error {
            Error::NoProfile { .. } => true,
            Error::Read { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        };
        let mut read = self.read.iter().filter(|_| !is_gone);
        read.find(|read| read.asked == *asked).map(|read| Arc::clone(&read.profile))
    }
}

impl Way {
    /// One for a program that lives for long.
    fn to(name: &TargetName, stated: &targets::Executor) -> Result<Self, Error> {
        Ok(match stated {
            targets::Executor::Local => Self::Here(crate::here::lasting_executor()?),
            targets::Executor::Ssh(ssh) => {
                let sockets = Surroundings::sockets();
                let target = SshTarget { sockets, ..remote::ssh_target(name, ssh)? };
                Self::Ssh(Arc::new(SshExecutor::new(target)))
            }
            targets::Executor::Http(_) => {
                return Err(Error::Asked {
                    what: format!(
                        "this version cannot run commands on `{name}`, which is an agent"
                    ),
                    hint: "`--target` selects others".to_owned(),
                });
            }
        })
    }
}
