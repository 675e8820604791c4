//! `shannot remote deploy`.

use shannot::{Deployed, Failure};

use super::helper::Program;
use super::ssh::ssh_target;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::human;
use crate::surroundings::Surroundings;
use crate::targets::{Deploy, Executor, Files, Ssh, TargetName, Targets};

/// Puts this program on a host.
pub(super) fn run(
    name: &TargetName,
    files: &Files,
    surroundings: &Surroundings,
) -> Result<ExitCode, Error> {
    let targets = Targets::read(files, surroundings)?;
    let target = targets.targets.get(name).ok_or_else(|| targets.no_target(name))?;
    let Executor::Ssh(ssh) = &target.executor else {
        return Err(Error::Asked {
            what: format!("`{name}` is of the type `{}`", target.executor.kind()),
            hint: "only hosts behind SSH have a helper".to_owned(),
        });
    };
    let program = Program::own()?;
    let size = program.bytes.len();
    let file = program.sha256.file_name();
    let text = match deploy(name, ssh, program)? {
        Deployed::Put => format!("put {size} bytes on `{name}` as ~/.cache/shannot/bin/{file}"),
        Deployed::There => format!("`{name}` has it already, as ~/.cache/shannot/bin/{file}"),
    };
    human::print(&text);
    Ok(ExitCode::Fine)
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::internal("start the runtime", source))?;
    let deployed = runtime.block_on(shannot::deploy(&target, program.bytes, &program.sha256));
    deployed.map_err(|why| Failure::Unreachable(Box::new(why)).into())
}
