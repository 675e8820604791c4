//! A place for one run from the parent's side: what a box owns before its commands are known.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;

use super::base::{Base, RunRules};
use super::cgroup::{Groups, Join, MemoryGroup};
use super::error::Error;
use super::landlock;
use super::spec::{Ahead, PlaceSpec};
use super::sys::Fd;

/// What one run has for itself, of this process's making.
#[derive(Debug)]
pub(super) struct Place {
    /// The run's own ruleset, where it cannot be shared.
    ruleset: Option<OwnedFd>,
    pub(super) group: Option<MemoryGroup>,
}

impl Place {
    /// Makes what a run in this box needs.
    pub(super) fn new(base: &Base) -> Result<Self, Error> {
        let ruleset = match &base.rules {
            RunRules::Shared(_) => None,
            RunRules::Each { abi, reads, rules } => Some(landlock::ruleset(*abi, *reads, rules)?),
        };
        let group = base.groups.as_ref().map(Groups::take).transpose();
        let group = group.map_err(|e| Error::host("make a cgroup for the run", e))?;
        Ok(Self { ruleset, group })
    }

    /// The same as the child reads it.
    pub(super) fn spec(&self, base: &Base, status: Fd, ahead: Option<Ahead>) -> PlaceSpec {
        let ruleset = match (&self.ruleset, &base.rules) {
            (Some(own), _) => own.as_raw_fd(),
            (None, RunRules::Shared(shared)) => shared.as_raw_fd(),
            // Made by `new`, so this is not reached; no descriptor has this number.
            (None, RunRules::Each { .. }) => -1,
        };
        PlaceSpec {
            spec: Arc::clone(&base.spec),
            status,
            ruleset,
            cgroup: self.group.as_ref().map(MemoryGroup::join),
            ahead,
        }
    }
}

impl PlaceSpec {
    /// Every descriptor that the place needs.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = Fd> {
        [self.status, self.ruleset].into_iter().chain(self.cgroup.map(Join::fd))
    }
}
