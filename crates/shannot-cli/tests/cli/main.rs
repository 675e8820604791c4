//! Drives the program itself, as root also as an ordinary user.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod doctor;
mod explain;
mod harness;
mod json;
mod profiles;
mod run;
mod signals;
mod targets;
mod terminal;
