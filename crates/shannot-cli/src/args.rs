//! The command line as data: definitions, and nothing that acts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser};
use shannot::policy::types::Timeout;

/// Runs diagnostic commands in a read-only box that the kernel enforces.
#[derive(Debug, Parser)]
#[command(name = "shannot", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Subcommand,
}

/// Options that may stand before or after the subcommand.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The profile: a name, or a path to a file [default: $SHANNOT_PROFILE, or `minimal`]
    #[arg(long, global = true, value_name = "PROFILE")]
    pub(crate) profile: Option<OsString>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say on stderr what was enforced
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    Run(Run),
}

/// Run a command in the box
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  shannot run df -h
  shannot run --profile diagnostics --timeout 10s -- journalctl -n 50
  shannot run --pipe -- ps aux '|' grep nginx '|' wc -l
  shannot run --json -- uname -a

Exit codes:
  the command's own; 124 timed out; 125 Shannot failed, or a limit other than time was
  reached; 126 denied by the profile, or not executable; 127 not found in the box;
  128+n killed by signal n")]
pub(crate) struct Run {
    /// End the command after this time, if the profile does not end it sooner
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    pub(crate) timeout: Option<Timeout>,
    /// Pass control sequences on to the terminal as they are
    #[arg(long)]
    pub(crate) raw: bool,
    /// Start in this directory [default: this one, or `/` where the box does not show it]
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<PathBuf>,
    /// Give the command no standard input
    #[arg(short, long)]
    pub(crate) no_stdin: bool,
    /// Take each word `|` as a pipe between commands
    #[arg(long)]
    pub(crate) pipe: bool,
    /// The command and its arguments; options of Shannot's stand before it
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}
