//! A client's own command, which knows best how its file is written.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::args::Scope;
use super::entry::{Launch, shown};
use super::link::whole;
use super::place;
use super::table::{Client, Word};
use crate::error::Error;

/// How long it may take: some of them start slowly.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is told of its complaints.
const COMPLAINT: usize = 300;

/// A command that adds a server.
#[derive(Debug)]
pub(super) struct OwnCommand {
    program: PathBuf,
    name: &'static str,
    args: Vec<String>,
}

impl OwnCommand {
    /// That of a client, where it has one and it is on this machine.
    pub(super) fn find(client: &Client, scope: Scope, name: &str, launch: &Launch) -> Option<Self> {
        let own = client.own.as_ref().filter(|own| scope == Scope::User || own.in_project)?;
        let program = place::on_path(own.program)?;
        let mut args = Vec::new();
        for word in own.words {
            match word {
                Word::Is(word) => args.push((*word).to_owned()),
                Word::Scope => args.push(scope.as_str().to_owned()),
                Word::Name => args.push(name.to_owned()),
                Word::Program => args.push(launch.program.clone()),
                Word::Args => args.extend(launch.args.iter().cloned()),
                Word::Json => args.push(whole(name, launch).to_string()),
            }
        }
        Some(Self { program, name: own.program, args })
    }

    /// As a person would type it.
    pub(super) fn shown(&self) -> String {
        shown(self.name, &self.args)
    }

    /// Where it is.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it to its end; why it failed, if so.
    ///
    /// # Errors
    /// The runtime could not be started.
    pub(super) fn run(&self) -> Result<Result<(), String>, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| Error::internal("start the runtime", source))?;
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null()).kill_on_drop(true);
        let ended =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, command.output()).await });
        Ok(match ended {
            Err(_) => Err(format!("it did not end within {} seconds", PATIENCE.as_secs())),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(output)) if output.status.success() => Ok(()),
            Ok(Ok(output)) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let said: String = said.trim().chars().take(COMPLAINT).collect();
                Err(format!("{}: {}", output.status, said.replace('\n', " ")))
            }
        })
    }
}
