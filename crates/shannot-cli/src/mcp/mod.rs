//! `shannot mcp …`: what a model sees of hosts, by the Model Context Protocol.

use crate::args::{Global, Mcp as Args};
use crate::exit_code::ExitCode;
use crate::render::human;

mod answer;
mod arguments;
mod ask;
mod calls;
mod completion;
mod course;
mod excerpt;
mod facts;
mod hosts;
mod offer;
mod piece;
mod prompts;
mod reload;
mod resources;
mod results;
mod serve;
mod server;
mod settings;
mod tools;

/// Does it.
pub(crate) fn run(args: &Args, global: &Global) -> ExitCode {
    let Args::Serve(args) = args;
    match serve::run(args, global) {
        Ok(()) => ExitCode::Fine,
        Err(error) => {
            human::complain_of(&error);
            ExitCode::Failed
        }
    }
}
