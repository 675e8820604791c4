//! `shannot mcp …`: what a model sees of hosts, by the Model Context Protocol.

use crate::args::{Global, Mcp as Args};
use crate::exit_code::ExitCode;
use crate::render::human;

mod answer;
mod arguments;
mod catalog;
mod course;
mod excerpt;
mod hosts;
mod serve;
mod server;

/// Does it.
pub(crate) fn run(args: &Args, global: &Global) -> ExitCode {
    let Args::Serve(_) = args;
    match serve::run(global) {
        Ok(()) => ExitCode::Fine,
        Err(error) => {
            human::complain_of(&error);
            ExitCode::Failed
        }
    }
}
