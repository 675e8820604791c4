//! Makes a Linux kernel enforce a [`shannot_policy::Plan`].
//!
//! A [`Host`] holds what a plan needs to know of the machine. [`prepare`] resolves, opens and
//! compiles; [`Prepared::start`] makes the box and starts its commands; [`start`] does both for one
//! run, side by side; a [`Child`] is the box while it lives. Nothing here is asynchronous and nothing is decided: deciding is
//! `shannot-policy`'s, waiting is `shannot`'s.
#![deny(unsafe_code)]
#![cfg(target_os = "linux")]

mod accounts;
pub mod attack;
mod bwrap;
mod distant;
mod enforcement;
mod host;
mod mountinfo;
mod mounts;
mod native;
mod proc;

pub use bwrap::alone::{BwrapCall, FILTER_FD};
pub use bwrap::survey::{Survey, quoted, survey_script};
pub use enforcement::{Decider, Enforcement, Engine, Layer, PassedOver, Status};
pub use host::Host;
pub use native::{
    Begun, Child, Error, Prepared, StageStatus, Stdio, Warm, WarmError, begin, bwrap_call, prepare,
    stage_two, start,
};
