//! The program `shannot`: parse, do, answer with an exit code.
#![forbid(unsafe_code)]

mod agent;
mod args;
mod config;
mod doctor;
mod error;
mod exit_code;
mod file;
mod profile;
mod profiles;
mod remote;
mod render;
mod request;
mod run;
mod run_id;
mod shell;
mod surroundings;
mod targets;
mod usage;

use args::{Cli, Subcommand};
use exit_code::ExitCode;

fn main() -> std::process::ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if let Err(error) = shannot::sandbox::stage_two(&words) {
        render::human::complain(&error.to_string());
        return ExitCode::Failed.into();
    }
    if let Some(answers) = shannot::sandbox::attack::attacker(&words) {
        render::human::print(&answers);
        return ExitCode::Fine.into();
    }
    let code = match Cli::read(&words) {
        Ok(Cli { global, command }) if global.target.is_some() && !command.runs_on_targets() => {
            render::human::complain("only `run` takes `--target`");
            ExitCode::Usage
        }
        Ok(Cli { global, command }) => match command {
            Subcommand::Run(args) => run::run(args, &global),
            Subcommand::Profile(args) => profile::run(args, &global),
            Subcommand::Doctor(args) if args.attack => doctor::attack::run(&global),
            Subcommand::Doctor(_) => doctor::run(&global),
            Subcommand::Remote(args) => remote::run(args, &global),
            Subcommand::Config(args) => config::run(&args, &global),
            Subcommand::Agent(args) => agent::run(&args),
            Subcommand::Completions(args) => shell::completions(&args),
            Subcommand::Man(args) => shell::man(&args),
        },
        Err(error) => usage::answer(&error, &words),
    };
    let code = if render::stdout::lost() { ExitCode::Failed } else { code };
    code.into()
}
