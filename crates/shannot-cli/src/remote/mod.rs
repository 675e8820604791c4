//! `shannot remote …`: the hosts that commands can run on.

use crate::args::{Global, Remote as Args};
use crate::exit_code::ExitCode;
use crate::render::human;
use crate::surroundings::Surroundings;
use crate::targets::{self, Files, Selection};

mod add;
mod authorized_key;
mod deploy;
mod doctor;
mod helper;
mod list;
mod ssh;
mod test;

pub(crate) use ssh::ssh_target;
pub(crate) use test::works;

/// `shannot doctor --target …`.
pub(crate) fn doctor(
    args: &crate::args::Doctor,
    selection: &Selection,
    global: &Global,
) -> ExitCode {
    doctor::run(args, selection, global).unwrap_or_else(|error| {
        human::complain_of(&error);
        ExitCode::Usage
    })
}

/// Does it.
pub(crate) fn run(args: Args, global: &Global) -> ExitCode {
    let surroundings = Surroundings::read();
    let files = Files::new(&surroundings, global.config.as_deref());
    let done = match args {
        Args::Add(args) => add::run(args, global, &files, &surroundings),
        Args::Deploy(args) => deploy::run(&args.name, &files, &surroundings),
        Args::Test(args) => test::run(&args.name, global, &files, &surroundings),
        Args::List => list::run(global, &files, &surroundings),
        Args::Remove(args) => targets::remove(&files, &surroundings, &args.name).map(|removed| {
            let mut text = format!("removed `{}` from {}", args.name, removed.path.display());
            if !removed.groups.is_empty() {
                text.push_str(&format!(", also from the groups {}", removed.groups.join(", ")));
            }
            if let Some(origin) = removed.still {
                text.push_str(&format!("; `{}` is the one at {origin} now", args.name));
            }
            human::print(&text);
            ExitCode::Fine
        }),
    };
    done.unwrap_or_else(|error| {
        human::complain_of(&error);
        ExitCode::Failed
    })
}
