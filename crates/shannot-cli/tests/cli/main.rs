//! Drives the program itself, as root also as an ordinary user.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod agent;
mod alone;
mod deploy;
mod doctor;
mod elsewhere;
mod explain;
mod far;
mod fleet;
mod harness;
mod json;
mod mcp;
mod mcp_attack;
mod mcp_far;
mod mcp_http;
mod mcp_install;
mod mcp_offer;
mod mcp_rows;
mod profiles;
mod run;
mod signals;
mod sshd;
mod targets;
mod terminal;
