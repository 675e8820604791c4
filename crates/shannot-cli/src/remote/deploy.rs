//! `shannot remote deploy`.

use shannot::{Deployed, Failure};

use super::helper::Program;
use super::ssh::ssh_target;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::human;
use crate::surroundings::Surroundings;
use crate::targets::{Deploy, Executor, Files, Ssh, Target, TargetName, Targets};

/// Puts this program on a host.
pub(super) fn run(
    name: &TargetName,
    files: &Files,
    surroundings: &Surroundings,
) -> Result<ExitCode, Error> {
    let targets = Targets::read(files, surroundings)?;
    let target = targets.targets.get(name).ok_or_else(|| targets.no_target(name))?;
    let ssh = of_ssh(target)?;
    let program = Program::needed()?;
    let size = program.bytes.len();
    let file = program.sha256.file_name();
    let text = match deploy(name, ssh, program)? {
        Deployed::Put => format!("put {size} bytes on `{name}` as ~/.cache/shannot/bin/{file}"),
        Deployed::There => format!("`{name}` has it already, as ~/.cache/shannot/bin/{file}"),
    };
    human::print(&text);
    Ok(ExitCode::Fine)
}

/// How a target is reached that is behind SSH.
pub(super) fn of_ssh(target: &Target) -> Result<&Ssh, Error> {
    match &target.executor {
        Executor::Ssh(ssh) => Ok(ssh),
        other => Err(Error::Asked {
            what: format!("`{}` is of the type `{}`", target.name.value, other.kind()),
            hint: "this is about hosts behind SSH".to_owned(),
        }),
    }
}

/// Puts a program on a host, if the configuration lets a person do so.
pub(super) fn deploy(name: &TargetName, ssh: &Ssh, program: Program) -> Result<Deployed, Error> {
    if ssh.deploy.value == Deploy::Never {
        return Err(Error::Asked {
            what: format!("nothing is put on `{name}`: `deploy` is `never`, {}", ssh.deploy.origin),
            hint: "`helper_path` names a program that is there".to_owned(),
        });
    }
    let target = ssh_target(name, ssh)?;
    let deployed = runtime()?.block_on(shannot::deploy(&target, program.bytes, &program.sha256));
    deployed.map_err(|why| Failure::Unreachable(Box::new(why)).into())
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| Error::internal("start the runtime", source))
}
