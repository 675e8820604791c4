//! What may run, and in which box: pure values and pure functions.
//!
//! The path through this crate is [`Request`] → [`authorize()`] → [`Grant`] → [`Plan`]:
//!
//! 1. A front parses words or JSON into a [`Request`]; the types in [`types`] refuse what cannot
//!    be right (a NUL in an argument, a relative program path).
//! 2. [`authorize()`] holds the request against a [`Profile`] and answers with a [`Grant`] or a
//!    [`Denial`] that names the rule.
//! 3. [`Plan::new`] turns a grant and the facts of one host into the box as data. Nothing else
//!    makes a plan, and nothing else makes a grant.
//!
//! This crate does no I/O, reads no clock and no environment, and builds on every system: the
//! decision is the same on a laptop and on the host.
#![forbid(unsafe_code)]

pub mod plan;
pub mod profile;
pub mod text;
pub mod types;

mod authorize;
mod request;
mod spelling;
mod toml_text;

pub use authorize::{Denial, Grant, GrantedStage, authorize};
pub use plan::Plan;
pub use profile::Profile;
pub use request::{
    Argv, Cwd, Locale, MOST_ARGV_BYTES, MOST_STAGES, Program, Request, RequestError, Stages,
};
