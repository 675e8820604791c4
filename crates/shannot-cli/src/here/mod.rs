//! What this program does with boxes of this machine. `elsewhere` has the same for machines that can
//! make none.

use std::ffi::OsString;
use std::sync::Arc;

use shannot::policy::profile::{Prefer, View};
use shannot::policy::{Grant, Profile};
use shannot::{Executor, LocalExecutor};

use crate::args::{Agent, Doctor, Global};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::doctor::Report;
use crate::render::human;
use crate::{agent, doctor};

mod bwrap;
mod screen;
mod tier;

pub(crate) use bwrap::print as print_bwrap;
pub(crate) use screen::{Screen, behind_screens, stdin, through};
pub(crate) use tier::TierBox;

/// Whether commands can run on this machine.
pub(crate) const MAKES_BOXES: bool = true;

/// Goes on inside a box, where this process was started for that; how it ended if it did.
pub(crate) fn go_on_inside(words: &[OsString]) -> Option<ExitCode> {
    if let Err(error) = shannot::sandbox::stage_two(words) {
        human::complain(&error.to_string());
        return Some(ExitCode::Failed);
    }
    let answers = shannot::sandbox::attack::attacker(words)?;
    human::print(&answers);
    Some(ExitCode::Fine)
}

/// `shannot doctor`.
pub(crate) fn doctor(args: &Doctor, global: &Global) -> ExitCode {
    if args.attack {
        return doctor::attack::run(global);
    }
    doctor::run(global).unwrap_or_else(|error| {
        human::complain_of(&error);
        ExitCode::Usage
    })
}

/// What this machine can enforce for a profile.
///
/// # Errors
/// The kernel gave no random bytes.
pub(crate) fn examine(profile: &Profile) -> Result<Report, Error> {
    doctor::examine(profile)
}

/// Keeps the memory of a program small that lives for long.
pub(crate) fn one_heap() {
    shannot::sandbox::one_heap();
}

/// Gives memory back that is not in use.
pub(crate) fn give_memory_back() {
    shannot::sandbox::give_memory_back();
}

/// `shannot agent …`.
pub(crate) fn agent(args: &Agent) -> ExitCode {
    agent::run(args)
}

/// The executor of this machine for this program, which goes on inside a box where it has to.
pub(crate) fn executor() -> LocalExecutor {
    LocalExecutor::on_this_thread("/proc/self/exe".into())
}

/// An executor of this machine for a program that lives for long.
///
/// # Errors
/// No thread could be made.
pub(crate) fn lasting_executor() -> Result<Arc<dyn Executor>, Error> {
    Ok(Arc::new(LocalExecutor::new(Some("/proc/self/exe".into()))?))
}

/// This machine, as a place where commands run.
pub(crate) struct Here(Arc<LocalExecutor>);

impl Here {
    /// # Errors
    /// Never on this system.
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self(Arc::new(executor())))
    }

    pub(crate) fn executor(&self) -> Arc<dyn Executor> {
        Arc::clone(&self.0) as Arc<_>
    }

    /// Begins the box of a run that is likely to be asked for next.
    pub(crate) fn expect(&self, view: View, prefer: Prefer, root_reads: bool) {
        self.0.expect(view, prefer, root_reads);
    }
}

/// In which box the commands of a profile run here.
///
/// # Errors
/// In none.
pub(crate) fn works(profile: &Profile) -> Result<String, Error> {
    let report = doctor::examine(profile)?;
    let name = &profile.name;
    match report.runs_in {
        Some(tier) => Ok(format!("boxed in tier {tier} (profile `{name}`)")),
        None => Err(Error::Asked {
            what: format!("no box of the profile `{name}` can be made here"),
            hint: format!("`shannot doctor --profile {name}` tells what this host lacks"),
        }),
    }
}

/// The boxes that would be tried for a grant, in order.
///
/// # Errors
/// The kernel gave no random bytes.
pub(crate) fn boxes(grant: &Grant) -> Result<Vec<TierBox>, Error> {
    Ok(executor().trials(grant)?.into_iter().map(TierBox::new).collect())
}

/// This program, to be put on another host; `None` where it is not one for Linux.
///
/// # Errors
/// It cannot be read.
pub(crate) fn program() -> Result<Option<Vec<u8>>, Error> {
    let read = std::fs::read("/proc/self/exe").map(Some);
    read.map_err(|source| Error::internal("read this program", source))
}
