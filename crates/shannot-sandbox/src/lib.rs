//! Makes a Linux kernel enforce a [`shannot_policy::Plan`].
//!
//! A [`Host`] holds what a plan needs to know of the machine. [`prepare`] resolves, opens and
//! compiles; [`Prepared::start`] makes the box and starts its commands; [`start`] does both for one
//! run, side by side; a [`Child`] is the box while it lives. Nothing here is asynchronous and nothing is decided: deciding is
//! `shannot-policy`'s, waiting is `shannot`'s.
//!
//! On other systems there are only the values that tell of boxes, and bwrap's command line for a host
//! far away: `build.rs` says where there are `boxes`, and the lists of modules ask.
#![deny(unsafe_code)]

mod bwrap;
mod distant;
mod enforcement;
mod error;
mod mountinfo;
mod report;
mod status;

pub use bwrap::alone::{BwrapCall, FILTER_FD};
pub use bwrap::survey::{Survey, quoted, survey_script};
pub use enforcement::{Decider, Enforcement, Engine, Layer, PassedOver, Status};
pub use error::Error;
pub use status::StageStatus;

#[cfg(boxes)]
mod accounts;
#[cfg(boxes)]
pub mod attack;
#[cfg(boxes)]
mod host;
#[cfg(boxes)]
mod mounts;
#[cfg(boxes)]
mod native;
#[cfg(boxes)]
mod proc;

#[cfg(boxes)]
pub use {
    host::Host,
    native::{
        Begun, Child, Prepared, Stdio, Warm, WarmError, begin, bwrap_call, give_memory_back,
        one_heap, prepare, stage_two, start,
    },
};
