//! `shannot agent …`: answers requests of other hosts.

use std::sync::Arc;

use shannot::LocalExecutor;
use shannot::wire::{API, Greeting};

use crate::args::{Agent as Args, AgentStdio};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::human;
use crate::surroundings::Surroundings;
use policy::Policy;
use service::Agent;
use stdio::Streams;

mod doctor;
mod openapi;
mod policy;
mod run;
mod runs;
mod service;
mod stdio;

/// Answers until there is nobody left to answer to.
pub(crate) fn run(args: &Args) -> ExitCode {
    let Args::Stdio(args) = args;
    let surroundings = Surroundings::read();
    match stdio(args, surroundings) {
        Ok(()) => ExitCode::Fine,
        Err(error) => {
            human::complain_of(&error);
            ExitCode::Failed
        }
    }
}

fn stdio(args: &AgentStdio, surroundings: Surroundings) -> Result<(), Error> {
    let policy = match &args.pin {
        Some(names) => Policy::pinned(names, &surroundings)?,
        None => Policy::open(surroundings),
    };
    let pinned = args.pin.is_some();
    let greeting = Greeting { api: API, version: env!("CARGO_PKG_VERSION").to_owned(), pinned };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::internal("start the runtime", source))?;
    runtime.block_on(async {
        let executor = Arc::new(LocalExecutor::new(Some("/proc/self/exe".into()))?);
        let mut streams = Streams::of_this_process()?;
        // Whatever the start-up files of a shell have said has ended with a line of its own.
        streams.greet(&format!("\n{greeting}\n")).await?;
        service::serve(streams, Agent::new(policy, executor)).await
    })
}
