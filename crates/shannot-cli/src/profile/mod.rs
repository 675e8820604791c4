//! `shannot profile …`: looks at profiles, runs nothing.

use crate::args::{Global, Profile as Args};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::human;
use crate::surroundings::Surroundings;

mod check;
mod convert;
mod explain;
mod list;
mod show;

/// Answers a question about profiles.
pub(crate) fn run(args: Args, global: &Global) -> ExitCode {
    let surroundings = Surroundings::read();
    let answer: Result<ExitCode, Error> = match args {
        Args::List => list::run(global, &surroundings),
        Args::Show(args) => show::run(args, global, &surroundings),
        Args::Check(args) => check::run(&args, global, &surroundings),
        Args::Explain(args) => explain::run(args, global, &surroundings),
        Args::Convert(args) => convert::run(&args),
    };
    answer.unwrap_or_else(|error| {
        human::complain_of(&error);
        ExitCode::Usage
    })
}
