//! Where a target's commands run.

use std::ffi::OsStr;
use std::sync::Arc;

use shannot::{Executor, SshExecutor};

use crate::args::Global;
use crate::error::Error;
use crate::here::Here;
use crate::remote;
use crate::surroundings::Surroundings;
use crate::targets::{self, Target};

/// Where a target's commands run.
pub(super) enum Place {
    Here(Here),
    There(Arc<dyn Executor>),
}

impl Place {
    pub(super) fn of(target: &Target) -> Result<Self, Error> {
        let name = &target.name.value;
        match &target.executor {
            targets::Executor::Local => Here::new().map(Self::Here),
            targets::Executor::Ssh(ssh) => {
                let executor = SshExecutor::new(remote::ssh_target(name, ssh)?);
                Ok(Self::There(Arc::new(executor)))
            }
            targets::Executor::Http(_) => Err(Error::Asked {
                what: format!("this version cannot run commands on `{name}`, which is an agent"),
                hint: "`--target local` runs them here".to_owned(),
            }),
        }
    }

    pub(super) const fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    pub(super) fn executor(&self) -> Arc<dyn Executor> {
        match self {
            Self::Here(here) => here.executor(),
            Self::There(executor) => Arc::clone(executor),
        }
    }
}

/// The profile that a caller asks for on a target, if any.
pub(crate) fn asked_profile<'a>(
    global: &'a Global,
    surroundings: &'a Surroundings,
    target: &'a Target,
) -> Option<&'a OsStr> {
    let asked = global.profile.as_deref().or(surroundings.profile.as_deref());
    asked.or(target.profile.as_ref().map(|profile| profile.value.as_str().as_ref()))
}
