//! The program `shannot`: parse, do, answer with an exit code.
//!
//! What depends on the system that it runs on is said here and in `build.rs`, and nowhere else:
//! whether this machine can make boxes, and whether it is a POSIX system.
#![forbid(unsafe_code)]

#[cfg(boxes)]
mod agent;
mod args;
mod config;
#[cfg(boxes)]
mod doctor;
mod error;
mod exit_code;
mod file;
#[cfg(boxes)]
mod here;
#[cfg(not(boxes))]
#[path = "elsewhere/mod.rs"]
mod here;
mod mcp;
mod profile;
mod profiles;
mod remote;
mod render;
mod request;
mod run;
mod run_id;
mod shell;
mod surroundings;
#[cfg_attr(posix, path = "system/posix/mod.rs")]
#[cfg_attr(not(posix), path = "system/other/mod.rs")]
mod system;
mod targets;
mod usage;

use args::{Cli, Subcommand};
use exit_code::ExitCode;

fn main() -> std::process::ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if let Some(code) = here::go_on_inside(&words) {
        return code.into();
    }
    let code = match Cli::read(&words) {
        Ok(Cli { global, command }) if global.target.is_some() && !command.runs_on_targets() => {
            render::human::complain("only `run`, `doctor` and `mcp` take `--target`");
            ExitCode::Usage
        }
        Ok(Cli { global, command }) => match command {
            Subcommand::Run(args) => run::run(args, &global),
            Subcommand::Profile(args) => profile::run(args, &global),
            Subcommand::Doctor(args) => match &global.target {
                Some(selection) => remote::doctor(&args, selection, &global),
                None => here::doctor(&args, &global),
            },
            Subcommand::Remote(args) => remote::run(args, &global),
            Subcommand::Config(args) => config::run(&args, &global),
            Subcommand::Agent(args) => here::agent(&args),
            Subcommand::Mcp(args) => mcp::run(&args, &global),
            Subcommand::Completions(args) => shell::completions(&args),
            Subcommand::Man(args) => shell::man(&args),
        },
        Err(error) => usage::answer(&error, &words),
    };
    let code = if render::stdout::lost() { ExitCode::Failed } else { code };
    code.into()
}
