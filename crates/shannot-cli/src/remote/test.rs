//! `shannot remote test`: what works on the way to a host, step by step.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Instant;

use shannot::policy::Profile;
use shannot::sandbox::{Enforcement, Status};
use shannot::{
    Answer, End, Executor as _, Failure, FailureKind, Helper, Io, Outcome, SshExecutor, SshTarget,
};

use super::deploy::{deploy, of_ssh, runtime};
use super::helper::Program;
use super::ssh::ssh_target;
use crate::args::Global;
use crate::error::{Error, chain};
use crate::exit_code::ExitCode;
use crate::profiles::Profiles;
use crate::render::human;
use crate::render::steps::{Listener, Step, Told};
use crate::request::grant_for_nothing;
use crate::run::asked_profile;
use crate::surroundings::Surroundings;
use crate::targets::{Deploy, Files, Ssh, Target, TargetName, Targets};

/// Takes the steps until one fails.
pub(super) fn run(
    name: &TargetName,
    global: &Global,
    files: &Files,
    surroundings: &Surroundings,
) -> Result<ExitCode, Error> {
    let targets = Targets::read(files, surroundings)?;
    let target = targets.targets.get(name).ok_or_else(|| targets.no_target(name))?;
    let listener = if global.json { Listener::Program } else { Listener::Person };
    let mut told = Told::new(listener);
    let ssh = of_ssh(target)?;
    let profile =
        Profiles::new(surroundings).select(asked_profile(global, surroundings, target))?;
    let works = take(target, ssh, &profile.profile, &mut told)?;
    told.finish();
    Ok(if works { ExitCode::Fine } else { ExitCode::Finding })
}

/// Whether all works on the way to a host, told on stderr.
///
/// # Errors
/// `ssh` would read something otherwise than the configuration means it.
pub(crate) fn works(target: &Target, ssh: &Ssh, profile: &Profile) -> Result<bool, Error> {
    let mut told = Told::new(Listener::Bystander);
    take(target, ssh, profile, &mut told)
}

fn take(target: &Target, ssh: &Ssh, profile: &Profile, told: &mut Told) -> Result<bool, Error> {
    let sockets = Surroundings::sockets();
    let way = SshTarget { sockets, ..ssh_target(&target.name.value, ssh)? };
    Ok(reach(&way, told)? && answer(&way, target, ssh, profile, told)?)
}

/// To the login there.
fn reach(way: &SshTarget, told: &mut Told) -> Result<bool, Error> {
    let mut works = true;
    for step in runtime()?.block_on(shannot::probe(way)) {
        let found = step.found.map_err(|why| Failure::Unreachable(Box::new(why)).into());
        works &= told.tell(Step::new(step.name, step.took, found.as_ref().map(Clone::clone)));
    }
    Ok(works)
}

/// From the login to a command's answer.
fn answer(
    way: &SshTarget,
    target: &Target,
    ssh: &Ssh,
    profile: &Profile,
    told: &mut Told,
) -> Result<bool, Error> {
    let grant = || grant_for_nothing(profile);
    let runtime = runtime()?;
    let mut executor = SshExecutor::new(way.clone());
    let mut since = Instant::now();
    let mut answer = runtime.block_on(executor.answer());
    if let (Ok(Answer::Shell), Helper::Deployed(_)) = (&answer, &way.helper)
        && ssh.deploy.value == Deploy::Ask
        && told.listener != Listener::Program
        && is_wanted(&target.name.value)?
    {
        deploy(&target.name.value, ssh, Program::needed()?)?;
        executor = SshExecutor::new(way.clone());
        since = Instant::now();
        answer = runtime.block_on(executor.answer());
    }
    let found = answer.map_err(Error::from).map(|answer| match answer {
        Answer::Agent(greeting) => {
            let profiles = if greeting.pinned { "its own profiles only" } else { "any profile" };
            format!("shannot {}, {profiles}", greeting.version)
        }
        Answer::Shell => {
            let name = &target.name.value;
            format!(
                "none; bwrap is to make the boxes (`shannot remote deploy {name}` puts one there)"
            )
        }
    });
    if !told.tell(Step::new("helper", since.elapsed(), found.as_ref().map(Clone::clone))) {
        return Ok(false);
    }
    for step in ["first command", "next command"] {
        let since = Instant::now();
        let grant = grant()?;
        let done = runtime.block_on(async { executor.start(grant, Io::default()).collect().await });
        let found = of_outcome(done.outcome, profile.name.as_str());
        if !told.tell(Step::new(step, since.elapsed(), found.as_ref().map(Clone::clone))) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Offers to put the helper on a host that has none.
fn is_wanted(name: &TargetName) -> Result<bool, Error> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(false);
    }
    human::complain(&format!("{name}: there is no helper on the host"));
    let asked = std::io::stderr()
        .write_all(b"shannot: put it there, below ~/.cache/shannot/bin? [y/N] ")
        .and_then(|()| {
            let mut answer = String::new();
            std::io::stdin().lock().read_line(&mut answer)?;
            Ok(answer)
        });
    let answer = asked.map_err(|source| Error::internal("ask", source))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// What came of a command that does nothing.
fn of_outcome(outcome: Outcome, profile: &str) -> Result<String, Error> {
    match (outcome.end, outcome.enforcement) {
        (End::Exited(0), Some(enforcement)) => Ok(shown(&enforcement, profile)),
        // A pinned host that does not allow `true` has answered.
        (End::Failed(failure), _) if failure.kind() == FailureKind::Denied => {
            Ok(format!("the host's own profile decides: {}", chain(&failure)))
        }
        (End::Failed(failure), _) => Err(failure.into()),
        (end, _) => Err(Error::Asked {
            what: format!("`true` ended otherwise: {end:?}"),
            hint: "`shannot run -v --target` tells more".to_owned(),
        }),
    }
}

fn shown(enforcement: &Enforcement, profile: &str) -> String {
    let weak = enforcement.layers.iter().filter(|layer| layer.status != Status::Enforced);
    let weak: Vec<_> =
        weak.map(|layer| format!("{} {}", layer.name, layer.status.as_str())).collect();
    let mut text = format!("boxed in tier {} (profile `{profile}`)", enforcement.tier);
    if !weak.is_empty() {
        text.push_str(&format!("; {}", weak.join(", ")));
    }
    text
}
