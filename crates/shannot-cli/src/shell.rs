//! `shannot completions` and `shannot man`: what packages install beside the program.

use std::io;
use std::path::Path;

use clap::CommandFactory as _;

use crate::args::{Cli, Completions, Man};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::file::{self, Existing};
use crate::render::human;

/// Prints the completions of a shell.
pub(crate) fn completions(args: &Completions) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "shannot", &mut text);
    human::print(&String::from_utf8_lossy(&text));
    ExitCode::Fine
}

/// Prints the manual page, or writes that of every subcommand.
pub(crate) fn man(args: &Man) -> ExitCode {
    let mut root = Cli::command();
    root.build();
    let written = match &args.out {
        None => page(root).map(|text| human::print(&text)),
        Some(dir) => pages(&root, "shannot", dir),
    };
    match written {
        Ok(()) => ExitCode::Fine,
        Err(error) => {
            human::complain_of(&error);
            ExitCode::Usage
        }
    }
}

fn pages(command: &clap::Command, name: &str, dir: &Path) -> Result<(), Error> {
    let path = dir.join(format!("{name}.1"));
    file::write(&path, &page(command.clone())?, Existing::Replace)?;
    for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
        pages(child, &format!("{name}-{}", child.get_name()), dir)?;
    }
    Ok(())
}

fn page(command: clap::Command) -> Result<String, Error> {
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut text);
    rendered.map_err(|source: io::Error| Error::internal("write a manual page", source))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
