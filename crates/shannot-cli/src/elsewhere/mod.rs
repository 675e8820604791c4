//! What this program says on a machine that can make no boxes, where `here` would make them.

use std::convert::Infallible;
use std::ffi::OsString;
use std::sync::Arc;

use serde::Serialize;
use shannot::Executor;
use shannot::policy::profile::{Prefer, View};
use shannot::policy::{Grant, Profile};

use crate::args::{Agent, Doctor, Global};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::doctor::Report;
use crate::render::human;

mod screen;

pub(crate) use screen::{Screen, behind_screens, stdin, through};

/// Whether commands can run on this machine.
pub(crate) const MAKES_BOXES: bool = false;

const CANNOT: &str = "this machine cannot box commands; use --target NAME";

fn cannot() -> Error {
    let hint = "boxes are made on Linux; `shannot remote add` names a host behind SSH".to_owned();
    Error::Asked { what: CANNOT.to_owned(), hint }
}

/// No box starts this program here.
pub(crate) const fn go_on_inside(_: &[OsString]) -> Option<ExitCode> {
    None
}

/// `shannot doctor`.
pub(crate) fn doctor(_: &Doctor, _: &Global) -> ExitCode {
    human::complain_of(&cannot());
    ExitCode::Usage
}

/// # Errors
/// That it cannot be had.
pub(crate) fn examine(_: &Profile) -> Result<Report, Error> {
    Err(cannot())
}

/// The heap is as it is.
pub(crate) const fn one_heap() {}

/// The heap is as it is.
pub(crate) const fn give_memory_back() {}

/// `shannot agent …`.
pub(crate) fn agent(_: &Agent) -> ExitCode {
    human::complain_of(&cannot());
    ExitCode::Failed
}

/// # Errors
/// That it cannot be had.
pub(crate) fn lasting_executor() -> Result<Arc<dyn Executor>, Error> {
    Err(cannot())
}

/// This machine, which is no place where commands run.
pub(crate) struct Here(Infallible);

impl Here {
    /// # Errors
    /// That it cannot be had.
    pub(crate) fn new() -> Result<Self, Error> {
        Err(cannot())
    }

    pub(crate) fn executor(&self) -> Arc<dyn Executor> {
        match self.0 {}
    }

    pub(crate) fn expect(&self, _: View, _: Prefer, _: bool) {
        match self.0 {}
    }
}

/// The box of one tier: there is none.
#[derive(Debug, Serialize)]
pub(crate) enum TierBox {}

impl TierBox {
    pub(crate) fn name(&self) -> &'static str {
        match *self {}
    }

    pub(crate) fn text(&self) -> String {
        match *self {}
    }
}

/// # Errors
/// That it cannot be had.
pub(crate) fn works(_: &Profile) -> Result<String, Error> {
    Err(cannot())
}

/// Says that there are none.
pub(crate) fn boxes(_: &Grant) -> Result<Vec<TierBox>, Error> {
    human::complain(CANNOT);
    Ok(Vec::new())
}

/// `profile explain --bwrap`, which hides what is on this machine.
pub(crate) fn print_bwrap(_: Grant, _: &Global) -> Result<ExitCode, Error> {
    Err(cannot())
}

/// This program, to be put on another host: it is not one for Linux.
pub(crate) const fn program() -> Result<Option<Vec<u8>>, Error> {
    Ok(None)
}
