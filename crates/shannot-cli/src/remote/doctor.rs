//! `shannot doctor --target`: what another host can enforce.

use shannot::SshExecutor;

use super::deploy::{of_ssh, runtime};
use super::ssh::ssh_target;
use crate::args::{Doctor as Args, Global};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::profiles::Profiles;
use crate::render::doctor::{self, Report};
use crate::run::asked_profile;
use crate::surroundings::Surroundings;
use crate::targets::{Executor, Files, Selection, Targets};

/// Asks the helper of a host, or of this machine where that is the target.
///
/// # Errors
/// There is no such target, or it cannot be asked.
pub(super) fn run(args: &Args, selection: &Selection, global: &Global) -> Result<ExitCode, Error> {
    let surroundings = Surroundings::read();
    let files = Files::new(&surroundings, global.config.as_deref());
    let targets = Targets::read(&files, &surroundings)?;
    let [target] = targets.select(selection)?[..] else {
        return Err(Error::Asked {
            what: "`doctor` looks at one target".to_owned(),
            hint: "name them one by one".to_owned(),
        });
    };
    if matches!(target.executor, Executor::Local) {
        return Ok(crate::here::doctor(args, global));
    }
    let ssh = of_ssh(target)?;
    if args.attack {
        return Err(Error::Asked {
            what: "`--attack` takes no `--target`: it attacks boxes of this machine".to_owned(),
            hint: "run it on that host".to_owned(),
        });
    }
    let asked = asked_profile(global, &surroundings, target);
    let profile = Profiles::new(&surroundings).select(asked)?.profile;
    let executor = SshExecutor::new(ssh_target(&target.name.value, ssh)?);
    let report = runtime()?.block_on(executor.doctor(&profile))?;
    let report: Report = serde_json::from_slice(&report).map_err(|error| Error::Asked {
        what: format!("`{}` sent no report: {error}", target.name.value),
        hint: "`shannot remote deploy` puts the same version there".to_owned(),
    })?;
    Ok(doctor::tell(&report, global))
}
