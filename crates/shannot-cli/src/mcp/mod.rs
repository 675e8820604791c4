//! `shannot mcp …`: what a model sees of hosts, by the Model Context Protocol.

use crate::args::{Global, Mcp as Args};
use crate::exit_code::ExitCode;
use crate::render::human;

mod answer;
mod arguments;
mod ask;
mod calls;
mod clients;
mod completion;
mod course;
mod excerpt;
mod facts;
mod hosts;
mod http;
mod offer;
mod piece;
mod prompts;
mod reload;
mod resources;
mod results;
mod serve;
mod server;
mod settings;
mod stdio;
mod tools;

pub(crate) use clients::{McpInstall, McpTest, McpUninstall};
pub(crate) use http::Loopback;

/// Does it.
pub(crate) fn run(args: &Args, global: &Global) -> ExitCode {
    let done = match args {
        Args::Serve(args) => serve::run(args, global).map(|()| ExitCode::Fine),
        Args::Install(args) => clients::install(args, global),
        Args::Uninstall(args) => clients::uninstall(args, global),
        Args::List => clients::list(global),
        Args::Test(args) => clients::test(args, global),
    };
    done.unwrap_or_else(|error| {
        human::complain_of(&error);
        ExitCode::Failed
    })
}
