//! Whether the targets that a server would offer work, told on stderr.

use std::ffi::OsString;
use std::sync::Arc;

use shannot::policy::Profile;

use super::super::hosts::offered;
use super::super::settings::several;
use crate::args::Global;
use crate::error::Error;
use crate::profiles::Profiles;
use crate::render::human;
use crate::surroundings::Surroundings;
use crate::targets::{Executor, Target, TargetName, Targets};
use crate::{here, remote};

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Whether there are such targets and profiles.
    Names,
    /// Whether a command runs on each.
    Runs,
}

/// Looks at each; false if one does not work.
///
/// # Errors
/// There is no such target or profile.
pub(super) fn works(
    targets: &Targets,
    depth: Depth,
    global: &Global,
    surroundings: &Surroundings,
) -> Result<bool, Error> {
    let offered = offered(targets, global.target.as_ref())?;
    if offered.is_empty() {
        return Err(targets.no_target(&targets.default.value));
    }
    let reader = Profiles::new(surroundings);
    let mut all = true;
    for target in offered {
        // As the server takes them: the first is the one of calls that name none.
        let asked = global.profile.as_deref().or(surroundings.profile.as_deref());
        let stated = target.profile.as_ref().map(|stated| stated.value.as_str().into());
        let asked = asked.map_or_else(|| stated.into_iter().collect(), several);
        let first = reader.select(asked.first().map(OsString::as_os_str))?.profile;
        let mut profiles = vec![first];
        for other in asked.iter().skip(1) {
            profiles.push(reader.select(Some(other))?.profile);
        }
        if depth == Depth::Runs {
            all &= one(target, &profiles)?;
        }
    }
    Ok(all)
}

fn one(target: &Target, profiles: &[Arc<Profile>]) -> Result<bool, Error> {
    let name = &target.name.value;
    let mut works = true;
    match &target.executor {
        Executor::Local => {
            for profile in profiles {
                works &= tell(name, here::works(profile));
            }
        }
        Executor::Ssh(ssh) => {
            human::complain(&format!("{name}:"));
            // How it is reached is the same for all.
            for profile in profiles.iter().take(1) {
                works &= remote::works(target, ssh, profile)?;
            }
        }
        Executor::Http(_) => {
            let error = Error::Asked {
                what: "this version cannot run commands on an agent".to_owned(),
                hint: "`--target` selects others".to_owned(),
            };
            works = tell(name, Err(error));
        }
    }
    Ok(works)
}

/// Says what was found; whether it works.
fn tell(name: &TargetName, found: Result<String, Error>) -> bool {
    match &found {
        Ok(found) => human::complain(&format!("{name}: {found}")),
        Err(error) => {
            human::complain(&format!("{name}: {}", error.chain()));
            if let Some(hint) = error.hint() {
                human::complain(&format!("hint: {hint}"));
            }
        }
    }
    found.is_ok()
}
