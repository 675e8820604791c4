//! The command lines of this, as data.

use clap::Args;

use super::name::{ServerName, Wanted};
use super::table::Client;
use crate::args::ToolSet;

/// For whom a client is told of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scope {
    /// All that this user does
    User,
    /// The project in the working directory, for all who work on it
    Project,
}

impl Scope {
    /// Its name on the command line.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Project => "project",
        }
    }
}

/// Let a client start this program as its server
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  shannot mcp install --client claude-code --target prod --profile diagnostics
  shannot mcp install --client cursor,vscode --scope project --target prod
  shannot mcp install --client all --dry-run
  shannot mcp install --client zed --print

Each target is looked at first, as by `remote test` and `doctor`. Where the client has a command
for it, that is used; else its file is changed, all else in it stays, and how it was is kept beside
it as FILE.shannot-backup until all of Shannot's is gone from it.

Exit codes:
  0 installed, or it was so already; 1 a target does not work, and nothing was changed;
  125 not installed, and what could not be changed is as it was")]
pub(crate) struct McpInstall {
    /// The client, or several with commas between, or `all` that are on this machine
    #[arg(
        long = "client",
        required = true,
        value_name = "CLIENT,…",
        value_delimiter = ',',
        value_parser = Wanted::parser()
    )]
    pub(crate) clients: Vec<Wanted>,
    /// For whom
    #[arg(long, value_name = "SCOPE", default_value = "user")]
    pub(crate) scope: Scope,
    /// Which tools the server offers [default: as of `mcp serve`]
    #[arg(long, value_name = "SET,…", value_delimiter = ',')]
    pub(crate) tools: Vec<ToolSet>,
    /// What the client calls the server [default: `shannot`, or `shannot-TARGET` of one target]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<ServerName>,
    /// Show what would be changed or run, and do nothing
    #[arg(long, conflicts_with = "print")]
    pub(crate) dry_run: bool,
    /// Print what can be pasted into the client's file, and do nothing
    #[arg(long)]
    pub(crate) print: bool,
    /// Do not look whether the targets work
    #[arg(long)]
    pub(crate) no_check: bool,
}

/// Take what `mcp install` has done back
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  shannot mcp uninstall --client cursor
  shannot mcp uninstall --client all --name shannot-prod

A file in which nothing else has changed since is again what it was, byte by byte.

Exit codes:
  0 removed; 125 not removed, and what could not be changed is as it was")]
pub(crate) struct McpUninstall {
    /// The client, or several with commas between, or `all` that have it
    #[arg(
        long = "client",
        required = true,
        value_name = "CLIENT,…",
        value_delimiter = ',',
        value_parser = Wanted::parser()
    )]
    pub(crate) clients: Vec<Wanted>,
    /// For whom it was installed
    #[arg(long, value_name = "SCOPE", default_value = "user")]
    pub(crate) scope: Scope,
    /// What the client calls the server [default: as of `mcp install`]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<ServerName>,
}

/// Start the server as a client would, and ask it something
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  shannot mcp test --client claude-code
  shannot mcp test --target prod --profile diagnostics --json

With --client it starts what that client has in its file, without it what `mcp install` would
write there. It lists the tools and calls one on each target.

Exit codes:
  0 all works; 1 something does not; 125 there is nothing to start")]
pub(crate) struct McpTest {
    /// The client whose file says what to start
    #[arg(
        long,
        value_name = "CLIENT",
        value_parser = Wanted::parser_of_one(),
        conflicts_with = "tools"
    )]
    pub(crate) client: Option<&'static Client>,
    /// For whom it was installed
    #[arg(long, value_name = "SCOPE", default_value = "user", requires = "client")]
    pub(crate) scope: Scope,
    /// What the client calls the server [default: the only one that is Shannot]
    #[arg(long, value_name = "NAME", requires = "client")]
    pub(crate) name: Option<ServerName>,
    /// Which tools the server offers [default: as of `mcp serve`]
    #[arg(long, value_name = "SET,…", value_delimiter = ',')]
    pub(crate) tools: Vec<ToolSet>,
}
